"""Programs that fit data to trained models: INT8 scales, score calibration, how often plates fit their templates."""
