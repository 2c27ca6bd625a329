"""What every process has in common: settings, start and stop, health, logs, metrics, tracing, TLS, memory."""
