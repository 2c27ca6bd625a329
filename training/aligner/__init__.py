"""The aligner: where the corners of a roughly straightened plate really are."""
