"""What a handler can know about a message besides its content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """Where a message is stored, and how often it has been delivered.

    `sequence` is its number in its stream; `attempt` counts deliveries from 1.
    """

    subject: str
    sequence: int
    attempt: int
