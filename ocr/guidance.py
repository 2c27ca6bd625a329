"""What a caller expects of the plates: templates of regions, text formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ocr.guided import Guide
from platelane import patterns, regions
from platelane.patterns import Automaton
from platelane.pb.v1 import domain_pb2
from platelane.regions import country

TRUST: Final = 50.0
"""How much likelier a plate that matches is than one that does not, where the caller expects it: below that ratio of
the best matching reading to the best of all, the plate is read as if nothing had been expected."""
_REGION_TRUST: Final = 10.0
"""How much likelier the regions that a caller names are than others."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """`formats` are what texts are expected to match, any of them; none if nothing is expected. If `strict`, other
    texts are none at all."""

    formats: tuple[Automaton, ...] = ()
    regions: frozenset[str] = frozenset()
    strict: bool = False

    @classmethod
    def of(cls, options: domain_pb2.Options) -> Guidance:
        """Regions that are not known, or without templates, say nothing about the text.

        Raises:
            BadRequest: a text format that cannot be used.
        """
        formats = []
        if templates := tuple(sorted(regions.templates(options.regions))):
            formats.append(patterns.templates(templates))
        if options.text_formats:
            formats.append(patterns.text_formats(options.text_formats))
        named = frozenset(region.code for code in options.regions for region in regions.named(code))
        return cls(tuple(formats), named, options.strict_region)

    def guides(self, characters: tuple[str, ...]) -> list[Guide]:
        """Over a reader's characters, blank first."""
        return [_guide(automaton, characters) for automaton in self.formats]

    def accepts(self, text: str) -> bool:
        """Whether the text is as expected; any is where nothing is expected."""
        return not self.formats or any(automaton.accepts(text) for automaton in self.formats)

    def prior(self, codes: tuple[str, ...]) -> NDArray[np.float64]:
        """(len(codes),): how likely the caller makes each region, the likeliest 1."""
        return _prior(self.regions, codes)


UNGUIDED: Final = Guidance()


@lru_cache(maxsize=128)
def _prior(named: frozenset[str], codes: tuple[str, ...]) -> NDArray[np.float64]:
    """A country's name stands for its parts, a part's for the country where parts are not told apart."""

    def is_named(code: str) -> bool:
        parts_of_it = (name.startswith(f"{code}-") for name in named)
        return code in named or country(code) in named or any(parts_of_it)

    expected = np.array([is_named(code) for code in codes], dtype=np.bool_)
    return np.where(expected, 1.0, 1 / _REGION_TRUST) if expected.any() else np.ones(len(codes))


@lru_cache(maxsize=32)
def _guide(automaton: Automaton, characters: tuple[str, ...]) -> Guide:
    return Guide.of(automaton, characters)
