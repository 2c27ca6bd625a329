"""`platelane learn`: trains the served models on your own pictures, without making them worse on others."""
