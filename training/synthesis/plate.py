"""Draws one plate as new: flat, clean, evenly lit, seen from the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image
from training.synthesis import fonts
from training.synthesis.designs import AMERICAN_FACES, CAPTION_FACES, SCRIPT, Band, Caption, Color, Design
from training.synthesis.emblems import emblem
from training.synthesis.serials import Kind, Serial, cells, compose

Canvas = NDArray[np.float32]
"""Shape (height, width, 3), blue-green-red, 0 to 255."""

_STICKERS: Final[tuple[Color, ...]] = (
    (220, 60, 50),
    (240, 200, 40),
    (50, 110, 200),
    (60, 160, 80),
    (235, 235, 235),
    (230, 130, 40),
)


SMALL: Final = 0.62
GLOSSED: Final = 0.46
"""Heights of small characters, relative to capitals."""


ARABIC: Final = dict(zip("ABHJDRSYMWKLTNEGUVXZ", "ابححدرسيموكلطنعقوىصم", strict=True))
"""The letters of Gulf plates, and the Arabic ones above them."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A drawn plate; `text` as the reader reads it (A-Z, 0-9, upper line first)."""

    image: Image
    text: str
    region: str


@dataclass(frozen=True, slots=True)
class _Area:
    """An area of the canvas, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def render(
    design: Design,
    random: np.random.Generator,
    serial: Serial | None = None,
    width: int = 320,
    paper: Image | None = None,
) -> Plate:
    """A plate of a design, `width` pixels wide, by default with a random serial from the design's patterns.

    `paper`: a picture of a plate of that region, to use as the background without its serial.
    """
    if serial is None:
        pattern = design.serials[random.integers(len(design.serials))]
        serial = compose(_decorated(design, pattern, random), random, design.letters, design.script)
    scale = width / design.size[0]
    height = round(design.size[1] * scale)
    if paper is not None:
        canvas, ink = _emptied(paper, width, height), _varied(design.ink, random, 25)
        area = _Area(0.03 * width, 0.22 * height, 0.97 * width, 0.8 * height)
        ink = _legible(ink, canvas)
        _serial(canvas, design, serial, area, scale, ink, random)
        return Plate(np.clip(canvas, 0, 255).astype(np.uint8), serial.text, design.region)
    canvas = _paper(design, width, height, random)
    ink = _varied(design.ink, random, 10)
    area = _Area(0, 0, canvas.shape[1], canvas.shape[0])
    if design.border is not None and random.random() < 0.85:
        _border(canvas, _varied(design.border, random, 10), scale)
    for band in design.bands:
        area = _band(canvas, band, area, scale, random)
    for caption in design.captions:
        area = _caption(canvas, caption, area, scale, random)
    if design.stickers:
        _stickers(canvas, scale, random)
    _serial(canvas, design, serial, area, scale, ink, random)
    return Plate(np.clip(canvas, 0, 255).astype(np.uint8), serial.text, design.region)


def _emptied(picture: Image, width: int, height: int) -> Canvas:
    """The picture of a plate without its serial: its middle rows blend from above the serial to below it."""
    canvas = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    top, bottom = round(0.24 * height), round(0.78 * height)
    above, below = (
        cv2.GaussianBlur(np.median(canvas[rows], axis=0)[None].astype(np.float32), (0, 0), 0.06 * width)
        for rows in (slice(top - 4, top + 1), slice(bottom, bottom + 5))
    )
    blend = np.linspace(0, 1, bottom - top, dtype=np.float32)[:, None, None]
    canvas[top:bottom] = above * (1 - blend) + below * blend
    return np.ascontiguousarray(canvas, dtype=np.float32)


def _legible(ink: Color, canvas: Canvas) -> Color:
    """The ink; black or white if it would be illegible on the middle of the canvas."""
    height = canvas.shape[0]
    paper = float(canvas[round(0.3 * height) : round(0.7 * height)].mean())
    if abs(sum(ink) / 3 - paper) > 70:
        return ink
    return (25, 25, 30) if paper > 115 else (240, 240, 240)


def _bgr(color: Color) -> NDArray[np.float32]:
    return np.array(color[::-1], dtype=np.float32)


def _varied(color: Color, random: np.random.Generator, spread: float) -> Color:
    red, green, blue = np.clip(np.array(color) + random.normal(0, spread, 3), 0, 255).round()
    return (int(red), int(green), int(blue))


def _paper(design: Design, width: int, height: int, random: np.random.Generator) -> Canvas:
    tint = random.normal(0, 9) + random.normal(0, 4, 3)
    top, bottom = (_bgr(color) + tint.astype(np.float32) for color in design.paper)
    blend = np.clip(np.linspace(-0.4, 1.4, height) + random.normal(0, 0.15), 0, 1)[:, None, None].astype(np.float32)
    canvas = np.repeat(top * (1 - blend) + bottom * blend, width, axis=1)
    if design.faces is AMERICAN_FACES and random.random() < 0.3:
        canvas += _picture(height, width, random)
    return np.ascontiguousarray(canvas, dtype=np.float32)


def _picture(height: int, width: int, random: np.random.Generator) -> Canvas:
    """A faint background picture, as on many American plates: soft patches of colour."""
    shade = random.normal(0, random.uniform(5, 20), (4, 7, 1)) + random.normal(0, random.uniform(2, 9), (4, 7, 3))
    return np.asarray(
        cv2.resize(shade.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32
    )


def _stamp(canvas: Canvas, mask: fonts.Mask, x: float, y: float, color: Color) -> None:
    """Paint a mask's shape in one colour, its upper left corner at (x, y), clipped to the canvas."""
    left, top = round(x), round(y)
    rows = slice(max(0, top), min(canvas.shape[0], top + mask.shape[0]))
    columns = slice(max(0, left), min(canvas.shape[1], left + mask.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    cover = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, None]
    canvas[rows, columns] += cover * (_bgr(color) - canvas[rows, columns])


def _narrowed(mask: fonts.Mask, width: float) -> fonts.Mask:
    size = (max(1, round(width)), mask.shape[0])
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _border(canvas: Canvas, color: Color, scale: float) -> None:
    height, width = canvas.shape[:2]
    inset, thick = max(1, round(2.5 * scale)), max(1, round(3 * scale))
    mask = np.zeros((height, width), dtype=np.float32)
    cv2.rectangle(mask, (inset, inset), (width - 1 - inset, height - 1 - inset), 1.0, thick, cv2.LINE_AA)
    _stamp(canvas, mask, 0, 0, color)


def _band(canvas: Canvas, band: Band, area: _Area, scale: float, random: np.random.Generator) -> _Area:
    """Paint the band, with its letters and stars; returns the remaining area."""
    extent = band.extent * scale
    color = _bgr(_varied(band.color, random, 10))
    face = CAPTION_FACES[random.integers(len(CAPTION_FACES))]
    if band.side == "top":
        canvas[: round(extent)] = color
        mask = fonts.line(face, band.text, max(4, round(extent * 0.5)))
        _stamp(canvas, mask, (area.width - mask.shape[1]) / 2, extent * 0.25, band.ink)
        return _Area(area.left, area.top + extent, area.right, area.bottom)
    left = area.left if band.side == "left" else area.right - extent
    canvas[:, round(left) : round(left + extent)] = color
    latin = band.text.isascii()
    mask = fonts.line(face, band.text, max(4, round(min(extent * 0.55, area.height * (0.2 if latin else 0.42)))))
    if mask.shape[1] > extent * 0.85:
        mask = _narrowed(mask, extent * 0.85)
    top = area.bottom - area.height * 0.32 if latin else area.top + (area.height - mask.shape[0]) / 2
    _stamp(canvas, mask, left + (extent - mask.shape[1]) / 2, top, band.ink)
    if not latin:
        divider = np.ones((round(area.height), max(1, round(2 * scale))), np.float32)
        _stamp(canvas, divider, left if band.side == "right" else left + extent, area.top, band.ink)
    if band.stars:
        _stars(canvas, left + extent / 2, area.top + area.height * 0.32, extent * 0.3)
    inner = (area.left + extent, area.right) if band.side == "left" else (area.left, area.right - extent)
    return _Area(inner[0], area.top, inner[1], area.bottom)


def _stars(canvas: Canvas, x: float, y: float, radius: float) -> None:
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        center = (round(x + radius * float(np.cos(angle))), round(y + radius * float(np.sin(angle))))
        cv2.circle(canvas, center, max(1, round(radius * 0.13)), (30.0, 205.0, 250.0), -1, cv2.LINE_AA)


def _caption(canvas: Canvas, caption: Caption, area: _Area, scale: float, random: np.random.Generator) -> _Area:
    """Set a caption at the edge; returns the remaining area for the serial."""
    face = SCRIPT if caption.script else CAPTION_FACES[random.integers(len(CAPTION_FACES))]
    height = max(4, round(caption.height * scale))
    mask = fonts.line(face, caption.text, height)
    widest = area.width * 0.72
    if mask.shape[1] > widest:
        mask = _narrowed(mask, widest)
    edge = 6 * scale
    y = area.top + edge if caption.place == "top" else area.bottom - edge - height
    _stamp(canvas, mask, area.left + (area.width - mask.shape[1]) / 2, y, _varied(caption.ink, random, 10))
    if caption.place == "top":
        return _Area(area.left, area.top + edge + height, area.right, area.bottom)
    return _Area(area.left, area.top, area.right, area.bottom - edge - height)


def _stickers(canvas: Canvas, scale: float, random: np.random.Generator) -> None:
    """Month and year stickers in some of the corners."""
    height, width = canvas.shape[:2]
    for right in (False, True):
        for low in (False, True):
            if random.random() > 0.3:
                continue
            w, h = 36 * scale, 24 * scale
            x, y = (width - w - 8 * scale if right else 8 * scale), (height - h - 7 * scale if low else 7 * scale)
            color = _STICKERS[random.integers(len(_STICKERS))]
            _stamp(canvas, np.ones((round(h), round(w)), dtype=np.float32), x, y, color)
            mark = fonts.line(CAPTION_FACES[0], str(random.integers(10, 29)), max(3, round(h * 0.6)))
            _stamp(
                canvas,
                mark,
                x + (w - mark.shape[1]) / 2,
                y + h * 0.2,
                (20, 20, 20) if sum(color) > 380 else (240, 240, 240),
            )


def _serial(
    canvas: Canvas, design: Design, serial: Serial, area: _Area, scale: float, ink: Color, random: np.random.Generator
) -> None:
    """Set the serial's lines in the area, each centred, and narrowed if it would not fit."""
    face = design.faces[random.integers(len(design.faces))]
    count = len(serial.lines)
    cap = min(design.cell[1] * scale * random.uniform(0.94, 1.03), area.height * (0.84 if count == 1 else 0.41))
    wide = design.cell[0] * scale * random.uniform(0.9, 1.08)
    spacing, gap = wide * random.uniform(0.12, 0.32), wide * random.uniform(0.4, 0.75)
    for row, content in enumerate(serial.lines):
        middle = area.top + area.height * ((row + 0.5) / count if count == 1 else (0.27, 0.74)[row])
        room = area.width - 16 * scale
        needed = _advance(face, content, wide, cap, spacing, gap)
        narrower = min(1.0, room / needed)
        left = area.left + (area.width - needed * narrower) / 2
        _line(
            canvas,
            face,
            content,
            left,
            middle - cap / 2,
            wide * narrower,
            cap,
            spacing * narrower,
            gap * narrower,
            ink,
            random,
        )


def _advance(face: str, content: str, wide: float, cap: float, spacing: float, gap: float) -> float:
    total = -spacing
    for kind, characters in cells(content):
        total += _cell_width(face, kind, characters, wide, cap, spacing, gap)
    return max(total, 1.0)


def _cell_width(face: str, kind: Kind, characters: str, wide: float, cap: float, spacing: float, gap: float) -> float:
    """How far a cell moves the pen, its spacing included."""
    if kind == "gap":
        return gap
    if kind == "emblem":
        return gap * 1.8
    if kind == "small":
        widths = (_part(face, one, wide * SMALL, cap * SMALL).shape[1] for one in characters)
        return float(sum(widths)) + (len(characters) / 2 + 1) * spacing
    size = _stacked(wide, cap, len(characters)) if kind == "stacked" else (wide, cap)
    if kind == "glossed":
        size = (wide * GLOSSED, cap * GLOSSED)
    return float(max(_part(face, one, *size).shape[1] for one in characters)) + spacing


def _stacked(wide: float, cap: float, count: int) -> tuple[float, float]:
    """Width and height of stacked characters."""
    return wide * (0.78 if count == 2 else 0.6), cap * 0.92 / count


def _part(face: str, character: str, wide: float, cap: float) -> fonts.Mask:
    """The mask of a letter, a digit or one of the marks `-` and `.`."""
    if character in "-.":
        size = (max(1, round(wide * (0.45 if character == "-" else 0.22))), max(1, round(cap * 0.13)))
        return np.ones(size[::-1], dtype=np.float32)
    if not character.isascii():
        return fonts.foreign(character, max(4, round(cap * 1.15)))
    return fonts.glyph(face, character, max(2, round(wide)), max(3, round(cap)))


def _line(
    canvas: Canvas,
    face: str,
    content: str,
    x: float,
    y: float,
    wide: float,
    cap: float,
    spacing: float,
    gap: float,
    ink: Color,
    random: np.random.Generator,
) -> None:
    raised = random.uniform(0, 0.38) * cap
    for kind, characters in cells(content):
        advance = _cell_width(face, kind, characters, wide, cap, spacing, gap)
        if kind == "emblem":
            emblem(canvas, x + gap * 0.9 - spacing / 2, y + cap / 2, gap * 0.8, cap * random.uniform(0.3, 0.55), random)
        elif kind == "plain":
            mask = _part(face, characters, wide, cap)
            _emboss(canvas, mask, x, y + (cap * 0.44 if characters in "-." else 0), ink)
        elif kind == "small":
            pen = x
            for one in characters:
                mask = _part(face, one, wide * SMALL, cap * SMALL)
                _emboss(canvas, mask, pen, y + raised, ink)
                pen += mask.shape[1] + spacing / 2
        elif kind == "stacked":
            size = _stacked(wide, cap, len(characters))
            for row, one in enumerate(characters):
                mask = _part(face, one, *size)
                place = x + (advance - spacing - mask.shape[1]) / 2, y + row * (cap - size[1]) / (len(characters) - 1)
                _emboss(canvas, mask, *place, ink)
        elif kind == "glossed":
            mask = _part(face, characters, wide * GLOSSED, cap * GLOSSED)
            above = fonts.foreign(ARABIC[characters], max(4, round(cap * 0.56)))
            _emboss(canvas, mask, x, y + cap * (1 - GLOSSED), ink)
            _stamp(canvas, above, x + (mask.shape[1] - above.shape[1]) / 2, y - cap * 0.04, ink)
        x += advance


def _decorated(design: Design, pattern: str, random: np.random.Generator) -> str:
    """The pattern with emblems added: American plates have them between groups, before and after the serial."""
    if design.faces is not AMERICAN_FACES or "*" in pattern or "|" in pattern or random.random() < 0.65:
        return pattern
    if " " in pattern and random.random() < 0.4:
        return pattern.replace(" ", "*", 1)
    return f"*{pattern}" if random.random() < 0.7 else f"{pattern}*"


def _emboss(canvas: Canvas, mask: fonts.Mask, x: float, y: float, ink: Color) -> None:
    """Paint an embossed character: the ink, with a thin light rim and a thin dark one."""
    edge = np.pad(mask, 1)
    _stamp(canvas, np.roll(edge, (1, 1), (0, 1)) * 0.25, x - 1, y - 1, (60, 60, 62))
    _stamp(canvas, np.roll(edge, (-1, -1), (0, 1)) * 0.2, x - 1, y - 1, (250, 250, 250))
    _stamp(canvas, mask, x, y, ink)
