"""One request and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = 200
ACCEPTED: Final = 202
REFUSALS: Final = frozenset({408, 429, 503})
"""How a server that cannot do it now says so."""
BROKEN: Final = 0
"""The status of an attempt whose connection broke, or which the client gave up after its own, longer, patience."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: when it was sent, or due, (seconds of the monotonic clock), how long it took from then on, its
    status, whether a 503 or 429 said when to come again, and whether a 200 was about this very photograph."""

    sent: float
    seconds: float
    status: int
    says_when: bool = True
    is_right: bool = True

    @property
    def ended(self) -> float:
        """When its answer had come, seconds of the monotonic clock."""
        return self.sent + self.seconds
