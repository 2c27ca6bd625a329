"""Webhook service: results to the queues of the hooks that want them, and from there to their receivers."""
