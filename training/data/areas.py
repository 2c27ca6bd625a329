"""Groups of regions, by which training is weighted and figures are listed."""

from __future__ import annotations

from typing import Final

from platelane.regions import country

EUROPE: Final = frozenset(
    (
        *("ad", "al", "at", "ba", "be", "bg", "by", "ch", "cy", "cz", "de", "dk", "ee", "es", "fi", "fo", "fr", "gb"),
        *("ge", "gg", "gi", "gr", "hr", "hu", "ie", "im", "is", "it", "je", "li", "lt", "lu", "lv", "mc", "md", "me"),
        *("mk", "mt", "nl", "no", "pl", "pt", "ro", "rs", "ru", "se", "si", "sk", "sm", "ua", "va", "xk"),
    )
)


def area(region: str) -> str:
    """A region's group in the tables: Europe, or the country."""
    code = country(region)
    if code in EUROPE:
        return "Europe"
    return {"us": "United States", "": "region not labelled"}.get(code, code)
