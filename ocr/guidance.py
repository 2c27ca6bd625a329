"""What a caller expects of the plates: templates of regions, text formats."""

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
"""How much likelier a plate that matches a text format is than one that does not, where the caller expects it: below
that ratio of the best matching reading to the best of all, the plate is read as if nothing had been expected."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """What is expected of a text: to be of one of the `regions`, or to match a text format. If `strict`, other texts
    are none at all."""

    regions: frozenset[str] = frozenset()
    templates: Automaton | None = None
    formats: Automaton | None = None
    strict: bool = False

    @classmethod
    def of(cls, options: stages_pb2.ReadingOptions) -> Guidance:
        """Regions that are not known, or without templates, say nothing about the text.

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
        """What texts are expected to match, any of them; none if nothing is expected."""
        return tuple(each for each in (self.templates, self.formats) if each is not None)

    @property
    def expects(self) -> bool:
        """Whether it says anything."""
        return bool(self.regions or self.formats)

    def guides(self, characters: tuple[str, ...]) -> list[Guide]:
        """Over a reader's characters, blank first."""
        return [_guide(automaton, characters) for automaton in self.automata]

    def accepts(self, text: str) -> bool:
        """Whether the text is as expected; any is where nothing is expected."""
        return not self.automata or any(automaton.accepts(text) for automaton in self.automata)


UNGUIDED: Final = Guidance()


@lru_cache(maxsize=32)
def _guide(automaton: Automaton, characters: tuple[str, ...]) -> Guide:
    return Guide.of(automaton, characters)
