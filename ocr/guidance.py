"""What a caller expects of plate texts: templates of regions, and text formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ocr.constrained_decoding import Guide
from platelane import regions
from platelane.pb.v1 import stages_pb2
from platelane.regions import automata
from platelane.regions.automata import Automaton

TRUST: Final = 50.0
"""How much likelier a plate is to match an expected text format than not to. If the best matching reading is less
probable than the best reading by more than this factor, the format is ignored."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """An expected text is from one of the `regions` or matches a text format. If `strict`, other texts are rejected."""

    regions: frozenset[str] = frozenset()
    templates: Automaton | None = None
    formats: Automaton | None = None
    strict: bool = False

    @classmethod
    def of(cls, options: stages_pb2.ReadingOptions) -> Guidance:
        """Unknown regions, and regions without templates, have no effect on the text.

        Raises:
            BadRequest: a text format that cannot be used.
        """
        shapes = tuple(sorted(regions.templates(options.regions)))
        return cls(
            frozenset(region.code for region in regions.meant(options.regions)),
            automata.templates(shapes) if shapes else None,
            automata.text_formats(options.text_formats) if options.text_formats else None,
            options.strict_region,
        )

    @property
    def automata(self) -> tuple[Automaton, ...]:
        """The automata of which a text should match any; empty if nothing is expected."""
        return tuple(each for each in (self.templates, self.formats) if each is not None)

    @property
    def expects(self) -> bool:
        """Whether anything is expected."""
        return bool(self.regions or self.formats)

    def guides(self, characters: tuple[str, ...]) -> list[Guide]:
        """The automata as guides over a reader's characters, blank first."""
        return [_guide(automaton, characters) for automaton in self.automata]

    def accepts(self, text: str) -> bool:
        """Whether the text is as expected; always true if nothing is expected."""
        return not self.automata or any(automaton.accepts(text) for automaton in self.automata)


UNGUIDED: Final = Guidance()


@lru_cache(maxsize=32)
def _guide(automaton: Automaton, characters: tuple[str, ...]) -> Guide:
    return Guide.of(automaton, characters)
