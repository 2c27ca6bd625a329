"""The detector: plates with corners, and vehicles."""
