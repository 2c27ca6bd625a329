"""The code blocks of the documents, and what the comments above them say about running them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = sorted(
    {
        *ROOT.glob("*.md"),
        *(each for room in ("benchmarks", "deploy", "docs", "training") for each in (ROOT / room).rglob("*.md")),
    }
)
_BLOCK: Final = re.compile(
    r"(?:^ *<!-- (?P<comment>[^\n]*) -->\n)?^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_NOT_RUN: Final = "not run in tests: "
_ENDLESS: Final = "runs until it is stopped"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `reason` says why it is not run; `is_endless` whether it does not end by itself."""

    document: Path
    line: int
    language: str
    text: str
    reason: str
    is_endless: bool

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages; in all, where none is named."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            comment = match["comment"] or ""
            found.append(
                Block(
                    document,
                    text.count("\n", 0, match.start("language")) + 1,
                    match["language"],
                    textwrap.dedent(match["text"]),
                    comment.removeprefix(_NOT_RUN) if comment.startswith(_NOT_RUN) else "",
                    comment == _ENDLESS,
                )
            )
    return [block for block in found if not languages or block.language in languages]
