"""OCR service: rectified plates in; text, candidates and region out."""
