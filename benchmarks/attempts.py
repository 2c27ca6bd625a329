"""One request and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = 200
ACCEPTED: Final = 202
REFUSALS: Final = frozenset({408, 429, 503})
"""The statuses with which a server refuses for now."""
BROKEN: Final = 0
"""The status of an attempt whose connection broke, or that the client gave up after its own, longer timeout."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: when it was sent or due (monotonic seconds), how long it took from then on, its status, whether a
    503 or 429 had `Retry-After`, and whether a 200 was about this photograph."""

    sent: float
    seconds: float
    status: int
    says_when: bool = True
    is_right: bool = True

    @property
    def ended(self) -> float:
        """When its answer arrived, in monotonic seconds."""
        return self.sent + self.seconds
