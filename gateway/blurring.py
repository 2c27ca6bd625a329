"""Makes plates in a picture unreadable."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFilter

from gateway.intake.fields import STRONGEST_BLUR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MARGIN: Final = 0.12
"""Margin as a share of a plate's height, because corners are not exact."""
_LEAST, _MOST = 0.2, 0.5
"""Sides of the squares as shares of a plate's height: with four rows or fewer, letters are illegible."""
_QUALITY: Final = 92

Polygon = Sequence[tuple[float, float]]


def blurred(pixels: NDArray[np.uint8], polygons: Iterable[Polygon], intensity: int) -> bytes:
    """The picture as JPEG, without metadata, with everything inside the polygons made unreadable.

    A covered part is reduced to squares so large that three or four (at full intensity two) cover a plate's height, and
    enlarged again: unlike a filter's blur this cannot be undone.

    Args:
        pixels: UINT8, shape (height, width, 3), blue-green-red, by the decoder that the polygons come from, so that
            they lie where it saw the plates.
    """
    picture = Image.frombuffer("RGB", (pixels.shape[1], pixels.shape[0]), pixels, "raw", "BGR", 0, 1)
    for polygon in polygons:
        _cover(picture, polygon, intensity)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _cover(picture: Image.Image, polygon: Polygon, intensity: int) -> None:
    xs, ys = zip(*polygon, strict=True)
    height = max(ys) - min(ys)
    margin = max(2.0, _MARGIN * height)
    area = (
        max(0, int(min(xs) - margin)),
        max(0, int(min(ys) - margin)),
        min(picture.width, int(max(xs) + margin) + 1),
        min(picture.height, int(max(ys) + margin) + 1),
    )
    if area[0] >= area[2] or area[1] >= area[3]:
        return
    part = picture.crop(area)
    square = max(2.0, height * (_LEAST + (_MOST - _LEAST) * intensity / STRONGEST_BLUR))
    few = (max(1, round(part.width / square)), max(1, round(part.height / square)))
    coarse = part.resize(few, Image.Resampling.BOX).resize(part.size, Image.Resampling.BICUBIC)
    mask = Image.new("L", part.size)
    ImageDraw.Draw(mask).polygon([(x - area[0], y - area[1]) for x, y in polygon], fill=255)
    # grown by the margin, so that nothing shows beside corners that are a little off
    mask = mask.filter(ImageFilter.GaussianBlur(margin / 2)).point(lambda value: 255 if value > 8 else 0)
    picture.paste(coarse, area[:2], mask)
