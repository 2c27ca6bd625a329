"""Ids of reads. A read is one plate of one photograph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

_ID: Final = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,3})")


@dataclass(frozen=True, slots=True)
class ReadId:
    """`<id of the photograph's result>.<place in its results>`."""

    job: str
    index: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError."""
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError("not the id of a read")
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.job}.{self.index}"
