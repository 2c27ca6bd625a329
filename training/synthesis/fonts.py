"""Glyphs of plate fonts as masks of any size, from font files that are fetched at training time.

The files come from npm, all under the SIL Open Font License or Apache-2.0: `python -m training.synthesis.fonts`
fetches them. The environment variable PLATELANE_FONTS replaces the folder in the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from training.common.errors import TrainingError

PACKAGES: Final = (
    "archivo-narrow",
    "barlow-condensed",
    "barlow-semi-condensed",
    "cairo",
    "dosis",
    "noto-sans-bengali",
    "noto-sans-thai",
    "oswald",
    "overpass",
    "pacifico",
    "rajdhani",
    "roboto-condensed",
    "saira-condensed",
    "share-tech-mono",
    "sofia-sans-extra-condensed",
)
"""The npm packages, without their scope `@fontsource/`."""

FOLDER: Final = Path(os.environ.get("PLATELANE_FONTS", Path.home() / ".cache" / "platelane" / "fonts"))
"""The folder that `npm install` created: `node_modules/@fontsource`."""

_SCRIPTS: Final = (("\u0600", "\u06ff", "cairo-arabic"), ("\u0980", "\u09ff", "noto-sans-bengali-bengali"),
                   ("\u0e00", "\u0e7f", "noto-sans-thai-thai"))  # fmt: skip
"""First and last character of a script, and its font."""

SIZE: Final = 96
"""Size in pixels of the em square at which glyphs are first drawn."""

Mask = NDArray[np.float32]
"""Shape (height, width), 0 to 1."""


INSTALL: Final = f"npm install --prefix {FOLDER} @fontsource/{{{','.join(PACKAGES)}}}"

SUBSTITUTES: Final = ("DejaVuSans-Bold", "DejaVuSans", "DejaVuSansMono-Bold", "DejaVuSansMono")
"""Fonts that come with matplotlib. In any font, letters are as wide as the design says."""


class FontsMissingError(TrainingError):
    """A font file that a design needs is not in the folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing; to install the fonts (in bash): {INSTALL}")


def complete() -> bool:
    """Whether every package is in the folder."""
    return all((FOLDER / "node_modules" / "@fontsource" / package).is_dir() for package in PACKAGES)


def require() -> None:
    """Raises `FontsMissingError` if a package is not in the folder, unless `substitute` was called."""
    if not (_substituted or complete()):
        raise FontsMissingError(FOLDER / "node_modules" / "@fontsource")


def substitute() -> None:
    """Draw in `SUBSTITUTES` from now on, which makes plates less diverse."""
    global _substituted
    _substituted = True
    forget()


def forget() -> None:
    """Clear the cache of drawn glyphs."""
    for kept in (glyph, line, _face, _drawn, _cap_height, _width):
        kept.cache_clear()


_substituted = False


@cache
def glyph(font: str, character: str, width: int, height: int) -> Mask:
    """One capital letter, digit or sign, `height` pixels from baseline to cap line, `width` pixels for a letter H.

    The mask is as wide as the character in that font, and extends a little below the baseline (the tail of a Q).
    Raises `FontsMissingError`.
    """
    drawn, cap, wide = _drawn(font, character), _cap_height(font), _width(font, "H")
    columns = max(1, round(drawn.shape[1] * width / wide))
    rows = max(1, round(drawn.shape[0] * height / cap))
    return np.asarray(cv2.resize(drawn, (columns, rows), interpolation=cv2.INTER_AREA), dtype=np.float32)


@cache
def foreign(character: str, height: int) -> Mask:
    """A letter or digit of another script, at its natural width, in a line `height` pixels high. Raises
    `FontsMissingError`."""
    face = _face(_font_of(character, ""))
    left, _, right, _ = face.getbbox(character, anchor="ls")
    top = round(0.95 * SIZE)
    image = Pillow.new("L", (max(1, round(right - left)), round(1.25 * SIZE)))
    ImageDraw.Draw(image).text((-left, top), character, font=face, fill=255, anchor="ls")
    mask = np.asarray(image, dtype=np.float32) / 255
    columns = max(1, round(mask.shape[1] * height / mask.shape[0]))
    return np.asarray(cv2.resize(mask, (columns, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


@cache
def line(font: str, text: str, height: int) -> Mask:
    """A caption with the font's own spacing, `height` pixels high in total. Raises `FontsMissingError`."""
    face = _face(_font_of(text[:1], font))
    left, top, right, bottom = face.getbbox(text, anchor="ls")
    image = Pillow.new("L", (round(right - left) + 4, round(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, font=face, fill=255, anchor="ls")
    mask = np.asarray(image, dtype=np.float32) / 255
    columns = max(1, round(mask.shape[1] * height / mask.shape[0]))
    return np.asarray(cv2.resize(mask, (columns, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _font_of(character: str, font: str) -> str:
    """The font for a character's script; `font` if it is Latin."""
    return next((name for first, last, name in _SCRIPTS if first <= character <= last), font)


@cache
def _face(font: str) -> ImageFont.FreeTypeFont:
    if _substituted:
        return ImageFont.truetype(str(_substitutes()[zlib.crc32(font.encode()) % len(_substitutes())]), SIZE)
    package, _, weight = font.rpartition("-")
    subset = "latin"
    if not weight.isdigit():  # a font of another script, by package and subset
        subset, weight = weight, "700"
    path = FOLDER / "node_modules" / "@fontsource" / package / "files" / f"{package}-{subset}-{weight}-normal.woff2"
    if not path.exists():
        raise FontsMissingError(path)
    return ImageFont.truetype(str(path), SIZE)


@cache
def _substitutes() -> tuple[Path, ...]:
    from matplotlib import get_data_path  # takes a second to import, and is rarely needed

    return tuple(Path(get_data_path(), "fonts", "ttf", f"{name}.ttf") for name in SUBSTITUTES)


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


def main() -> None:
    """Fetch the fonts if they are missing and npm is installed."""
    if complete():
        return
    if shutil.which("npm") is None:
        print(f"The plate fonts cannot be fetched without npm, so plates are drawn in plain fonts. With npm: {INSTALL}")
        return
    names = [f"@fontsource/{package}" for package in PACKAGES]
    print(f"Fetching {len(names)} fonts from npm to {FOLDER}")
    subprocess.run(["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", *names], check=False)


if __name__ == "__main__":
    main()
