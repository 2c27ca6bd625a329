"""The edge: HTTP requests in, jobs out, answers back."""
