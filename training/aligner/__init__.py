"""The aligner: finds the exact corners of a roughly straightened plate."""
