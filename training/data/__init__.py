"""Labelled photographs: rows, pictures, splits, and plates as the served models cut them."""
