"""The value types of a plate design.

Sizes are in millimetres, colours are (red, green, blue). The facts (sizes, colours, serial formats) follow the
encyclopaedia pages "Vehicle registration plates of ..." and "United States license plate designs and serial formats".
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final, Literal

from training.synthesis.serials import Script

Color = tuple[int, int, int]

WHITE: Final[Color] = (240, 241, 240)
GREY: Final[Color] = (176, 178, 176)
BLACK: Final[Color] = (22, 22, 24)
BLUE: Final[Color] = (22, 44, 110)
BRIGHT_BLUE: Final[Color] = (30, 92, 190)
EU_BLUE: Final[Color] = (10, 50, 160)
SKY: Final[Color] = (168, 206, 236)
RED: Final[Color] = (186, 22, 34)
MAROON: Final[Color] = (110, 24, 40)
GREEN: Final[Color] = (18, 92, 52)
PALE_GREEN: Final[Color] = (196, 222, 190)
YELLOW: Final[Color] = (247, 198, 24)
PALE_YELLOW: Final[Color] = (246, 230, 160)
CREAM: Final[Color] = (240, 230, 204)
ORANGE: Final[Color] = (228, 112, 34)

EUROPEAN_FACES: Final = (
    "barlow-condensed-600",
    "barlow-semi-condensed-600",
    "roboto-condensed-700",
    "saira-condensed-600",
    "rajdhani-700",
    "sofia-sans-extra-condensed-700",
    "barlow-semi-condensed-500",
    "archivo-narrow-600",
)
AMERICAN_FACES: Final = (
    "barlow-condensed-500",
    "saira-condensed-500",
    "rajdhani-600",
    "rajdhani-700",
    "dosis-600",
    "dosis-700",
    "overpass-600",
    "roboto-condensed-500",
    "barlow-semi-condensed-600",
    "archivo-narrow-600",
    "share-tech-mono-400",
)
HEAVY_FACES: Final = (
    "archivo-narrow-700",
    "barlow-semi-condensed-700",
    "roboto-condensed-700",
    "oswald-500",
    "overpass-700",
)
CAPTION_FACES: Final = (
    "barlow-condensed-600",
    "roboto-condensed-700",
    "overpass-700",
    "archivo-narrow-700",
    "oswald-500",
)
SCRIPT: Final = "pacifico-400"


@dataclass(frozen=True, slots=True)
class Band:
    """A coloured strip along one side, `extent` wide (or high), with a country's letters and maybe the EU's stars."""

    side: Literal["left", "right", "top"]
    extent: float
    color: Color
    text: str
    stars: bool = False
    ink: Color = WHITE


Place = Literal["top", "bottom"]


@dataclass(frozen=True, slots=True)
class Caption:
    """A line of small print that is not part of the serial."""

    text: str
    place: Place
    height: float
    ink: Color
    script: bool = False


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of plate of one region. `paper` is the colour at the top and at the bottom, blended between."""

    region: str
    size: tuple[float, float]
    paper: tuple[Color, Color]
    ink: Color
    serials: tuple[str, ...]
    cell: tuple[float, float]
    """Width of a letter H and height of the capitals."""
    faces: tuple[str, ...] = EUROPEAN_FACES
    bands: tuple[Band, ...] = ()
    captions: tuple[Caption, ...] = ()
    border: Color | None = None
    letters: str = string.ascii_uppercase
    stickers: bool = False
    """Whether it may have registration stickers in its corners."""
    script: Script = "arabic"
    """The script of the letters `$` and digits `%` in its patterns."""
    share: float = 1.0
    """Weight among the designs of its region."""


def plain(color: Color) -> tuple[Color, Color]:
    return (color, color)
