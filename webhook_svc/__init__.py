"""Webhook service: puts results into the queues of matching hooks, and delivers them to the receivers."""
