"""The sample photograph, and the program that drew it."""
