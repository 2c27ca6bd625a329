"""The bus: NATS JetStream behind a few words. `Bus` publishes, `Worker` handles, `topology` says what there is."""

from __future__ import annotations

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.bus.current import attempt
from platelane.bus.deadletters import DeadLetters
from platelane.bus.outcomes import Done, Outcome, Reject, RetryAfter
from platelane.bus.worker import Worker

__all__ = [
    "Bus",
    "DeadLetters",
    "Done",
    "Outcome",
    "Reject",
    "RetryAfter",
    "Worker",
    "attempt",
    "subjects",
    "topology",
]
