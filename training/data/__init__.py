"""Labelled photographs: rows, pictures, splits, and plates cut as by the served models."""
