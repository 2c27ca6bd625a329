"""Runs a whole Platelane on one machine: nats-server, Triton and all services, on loopback."""
