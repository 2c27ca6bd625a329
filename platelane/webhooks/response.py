"""What came of one request to a receiver."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

EXCERPT: Final = 500
"""Characters of a receiver's answer that its owner gets to see."""


class Response(BaseModel):
    """What a receiver answered, or why it did not (`status` None)."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    status: int | None
    seconds: float
    detail: str
    retry_after: float = 0.0

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        what = "no answer" if self.status is None else f"HTTP {self.status}"
        return f"{what}: {self.detail}" if self.detail else what
