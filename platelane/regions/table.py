"""The table of regions, read from `regions.toml`, whose head explains the fields."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

_EVERY_LETTER: Final = "a-z"


@dataclass(frozen=True, slots=True)
class Region:
    """A country, or a part of one.

    `templates` and `older` are regular expressions over lower-case letters and digits: of series that are being issued,
    and of older ones that are still on the road.
    """

    code: str
    name: str
    aliases: tuple[str, ...] = ()
    documented: bool = True
    templates: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    vanity: bool = False
    _shape: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = "|".join(f"(?:{template})" for template in (*self.templates, *self.older))
        object.__setattr__(self, "_shape", re.compile(shape or r"(?!)"))

    @property
    def country(self) -> str:
        """The code of the country that it is or belongs to."""
        return country(self.code)

    def fits(self, text: str) -> bool:
        """Whether a text (lower case, without separators) fits one of its series."""
        return self._shape.fullmatch(text) is not None


def country(code: str) -> str:
    """The code of the country of a region: the region itself, or the country that it is part of."""
    return code.partition("-")[0]


@cache
def table() -> Mapping[str, Region]:
    """All regions by their code."""
    rows = tomllib.loads(files(__package__).joinpath("regions.toml").read_text(encoding="utf-8"))
    return MappingProxyType({code: _region(code, row) for code, row in rows.items()})


def named(code: str) -> tuple[Region, ...]:
    """The regions with a caller's code, ignoring case: none if it is unknown, several if the API's documentation
    assigns the code to several.

    A province's bare code, such as Egypt's "DK", stands for the country if there is one with that code.
    """
    key = code.strip().lower().replace("_", "-")
    meant = _by_code().get(key, ())
    countries = tuple(region for region in meant if region.code == region.country)
    return countries or meant


def templates(codes: Iterable[str]) -> tuple[str, ...]:
    """The regular expressions that plates of these regions match, without duplicates. A country includes its parts; a
    part whose plates cannot be distinguished stands for its country."""
    found = (template for region in meant(codes) for template in (*region.templates, *region.older))
    return tuple(dict.fromkeys(found))


def meant(codes: Iterable[str]) -> tuple[Region, ...]:
    """The regions that a caller's codes refer to, without duplicates."""
    found = (each for code in codes for region in named(code) for each in _with_relatives(region))
    return tuple({region.code: region for region in found}.values())


def fits(code: str, text: str) -> bool:
    """Whether a text (lower case, without separators) fits a series of that region, as `templates` understands it."""
    return any(region.fits(text) for region in meant([code]))


@cache
def _with_relatives(region: Region) -> tuple[Region, ...]:
    regions = table()
    if region.code == region.country:
        return (region, *(each for each in regions.values() if each.code.startswith(f"{region.code}-")))
    return (region if region.templates else regions[region.country],)


@cache
def _by_code() -> Mapping[str, tuple[Region, ...]]:
    meant: dict[str, list[Region]] = {}
    for region in table().values():
        for code in dict.fromkeys((region.code, *(alias.replace("_", "-") for alias in region.aliases))):
            meant.setdefault(code, []).append(region)
    return {code: tuple(regions) for code, regions in meant.items()}


def _region(code: str, row: Mapping[str, Any]) -> Region:
    letters = row.get("letters", _EVERY_LETTER)

    def expressions(series: str) -> tuple[str, ...]:
        return tuple(each.replace("@", f"[{letters}]").replace("#", "[0-9]") for each in row.get(series, ()))

    return Region(
        code=code,
        name=row["name"],
        aliases=tuple(row.get("aliases", ())),
        documented=row.get("documented", True),
        templates=expressions("templates"),
        older=expressions("older"),
        vanity=row.get("vanity", False),
    )
