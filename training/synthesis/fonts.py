"""Glyphs of plate fonts as masks of any size, out of font files that are fetched at training time.

The files come from npm: `npm install @fontsource/barlow-condensed ...` (see `PACKAGES`; all under the SIL Open Font
License or Apache-2.0). The environment variable PLATELANE_FONTS names another folder than the cache.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

PACKAGES: Final = (
    "archivo-narrow",
    "barlow-condensed",
    "barlow-semi-condensed",
    "dosis",
    "oswald",
    "overpass",
    "pacifico",
    "rajdhani",
    "roboto-condensed",
    "saira-condensed",
    "share-tech-mono",
    "sofia-sans-extra-condensed",
)
"""The npm packages, each without its scope `@fontsource/`."""

FOLDER: Final = Path(os.environ.get("PLATELANE_FONTS", Path.home() / ".cache" / "platelane" / "fonts"))
"""Where `npm install` put `node_modules/@fontsource`."""

SIZE: Final = 96
"""Pixels of the em square in which glyphs are first drawn."""

Mask = NDArray[np.float32]
"""Shape (height, width), 0 to 1."""


class FontsMissingError(RuntimeError):
    """A font file that a design names is not in the folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is missing; run `npm install --prefix {FOLDER} @fontsource/NAME` for NAME in {', '.join(PACKAGES)}"
        )


@cache
def glyph(font: str, character: str, width: int, height: int) -> Mask:
    """One capital letter, digit or sign, `height` pixels from baseline to cap line, `width` pixels for a letter H.

    The mask is as wide as the character is in that font and somewhat lower than the baseline (the tail of a Q).
    Raises `FontsMissingError`.
    """
    drawn, cap, wide = _drawn(font, character), _cap_height(font), _width(font, "H")
    columns = max(1, round(drawn.shape[1] * width / wide))
    rows = max(1, round(drawn.shape[0] * height / cap))
    return np.asarray(cv2.resize(drawn, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)


@cache
def line(font: str, text: str, height: int) -> Mask:
    """A caption set as the font sets it, `height` pixels high in all. Raises `FontsMissingError`."""
    face = _face(font)
    left, top, right, bottom = face.getbbox(text, anchor="ls")
    image = Pillow.new("L", (round(right - left) + 4, round(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, font=face, fill=255, anchor="ls")
    mask = np.asarray(image, dtype=np.float32) / 255
    columns = max(1, round(mask.shape[1] * height / mask.shape[0]))
    return np.asarray(cv2.resize(mask, (columns, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


@cache
def _face(font: str) -> ImageFont.FreeTypeFont:
    package, _, weight = font.rpartition("-")
    path = FOLDER / "node_modules" / "@fontsource" / package / "files" / f"{package}-latin-{weight}-normal.woff2"
    if not path.exists():
        raise FontsMissingError(path)
    return ImageFont.truetype(str(path), SIZE)


@cache
def _drawn(font: str, character: str) -> Mask:
    """The character from the cap line to a little below the baseline, cut to its own width."""
    face = _face(font)
    left, _, right, _ = face.getbbox(character, anchor="ls")
    cap = _cap_height(font)
    image = Pillow.new("L", (max(1, round(right - left)), round(cap * 1.08)))
    ImageDraw.Draw(image).text((-left, cap), character, font=face, fill=255, anchor="ls")
    return np.asarray(image, dtype=np.float32) / np.float32(255)


@cache
def _cap_height(font: str) -> int:
    return round(-_face(font).getbbox("H", anchor="ls")[1])


@cache
def _width(font: str, character: str) -> int:
    left, _, right, _ = _face(font).getbbox(character, anchor="ls")
    return max(1, round(right - left))
