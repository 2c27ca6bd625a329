"""The bus: a small interface to NATS JetStream.

`Bus` publishes, `Worker` handles messages, `topology` defines the streams, and `apply` creates them.
"""

from __future__ import annotations

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.bus.deadletters import DeadLetters
from platelane.bus.message_info import MessageInfo
from platelane.bus.outcomes import Done, Outcome, Postpone, Reject, RetryAfter
from platelane.bus.worker import Worker

__all__ = [
    "Bus",
    "DeadLetters",
    "Done",
    "MessageInfo",
    "Outcome",
    "Postpone",
    "Reject",
    "RetryAfter",
    "Worker",
    "subjects",
    "topology",
]
