"""Webhooks: what a hook is, which results it wants, how it is sent, where hooks and their queues are kept."""
