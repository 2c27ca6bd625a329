"""Runs a whole Platelane on one machine: nats-server, Triton and the five services, on loopback."""
