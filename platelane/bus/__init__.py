"""The bus: NATS JetStream behind a few words.

`Bus` publishes, `Worker` handles, `topology` says what streams there are, `apply` makes them.
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
