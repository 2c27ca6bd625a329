"""Runs a whole Platelane on one machine: nats-server, Triton and the six services, on loopback."""
