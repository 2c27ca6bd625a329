"""The REST API: one module a resource, and what stands around them all."""
