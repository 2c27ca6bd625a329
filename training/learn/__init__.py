"""`platelane learn`: the served models taught one's own pictures, without harm to what they read before."""
