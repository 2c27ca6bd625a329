"""The REST API: one module per resource, and the middleware around them."""
