"""The reader: characters and region of a straightened plate."""
