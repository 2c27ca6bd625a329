"""Attributes service: vehicles in; type, make, model, colour and orientation out."""
