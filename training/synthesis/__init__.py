"""Synthetic plates: designs as data, a renderer, wear, pasting into real photographs, and one wholly drawn scene."""
