"""What is fitted to a trained model: INT8 scales, score calibration, how often plates fit their templates."""
