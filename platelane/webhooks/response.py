"""The result of a request to a receiver."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

EXCERPT: Final = 500
"""Characters of a receiver's answer that are shown to the hook's owner."""


class Response(BaseModel):
    """A receiver's answer, or why there was none (`status` is None)."""

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
