"""The ray marcher that draws the sample photograph."""
