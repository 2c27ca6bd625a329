"""Webhooks: hooks and their filters, queues, requests and health, and where they are stored."""
