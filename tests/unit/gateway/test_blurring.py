from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from PIL import Image

from gateway.blurring import Polygon, blurred
from platelane.vision import decoding

PLATE = [(40.0, 30.0), (100.0, 34.0), (100.0, 50.0), (40.0, 46.0)]


def covered(image: bytes, polygons: Sequence[Polygon], intensity: int) -> bytes:
    return blurred(decoding.decode(image).image, polygons, intensity)


def stripes(name: str = "PNG", **options: object) -> bytes:
    """Black and white columns of two pixels, which nothing but blurring can make grey."""
    rows = np.tile(np.repeat(np.array([0, 255], dtype=np.uint8), 2), (90, 40))
    buffer = io.BytesIO()
    Image.fromarray(rows).convert("RGB").save(buffer, name, **options)
    return buffer.getvalue()


def contrast(image: bytes, area: tuple[int, int, int, int]) -> float:
    with Image.open(io.BytesIO(image)) as picture:
        return float(np.asarray(picture.convert("L").crop(area), dtype=np.float32).std())


def test_what_the_polygon_covers_is_gone_and_the_rest_is_not() -> None:
    image = covered(stripes(), [PLATE], 10)
    assert contrast(image, (44, 34, 96, 46)) < 20
    assert contrast(image, (0, 0, 160, 20)) > 100
    assert contrast(image, (120, 0, 160, 90)) > 100


@pytest.mark.parametrize("intensity", [1, 3, 10])
def test_every_intensity_blurs(intensity: int) -> None:
    assert contrast(covered(stripes(), [PLATE], intensity), (44, 34, 96, 46)) < 40


def test_the_picture_is_upright_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    image = covered(stripes("JPEG", exif=exif), [], 10)
    with Image.open(io.BytesIO(image)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (90, 160)
        assert not picture.getexif()
        assert b"Maker" not in image


@pytest.mark.parametrize("extension", [".png", ".tiff", ".pnm"])
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
def test_sixteen_bits_become_eight(extension: str, channels: int) -> None:
    """Grey ones come out white where a decoder cuts them off instead."""
    pixels = np.full((40, 60) if channels == 1 else (40, 60, 3), 100 << 8, dtype=np.uint16)
    image = covered(cv2.imencode(extension, pixels)[1].tobytes(), [], 10)
    with Image.open(io.BytesIO(image)) as picture:
        assert abs(float(np.asarray(picture).mean()) - 100) < 2


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_picture_is_turned_where_the_detectors_is(name: str) -> None:
    """Polygons are measured in what the detector decoded: turned otherwise, they would cover something else."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = stripes(name, exif=exif)
    with Image.open(io.BytesIO(covered(image, [], 10))) as picture:
        assert picture.size == decoding.decode(image).image.shape[1::-1]


@pytest.mark.parametrize(
    "polygon",
    [
        [(-50.0, -50.0), (10.0, -50.0), (10.0, 10.0), (-50.0, 10.0)],
        [(150.0, 80.0), (400.0, 80.0), (400.0, 300.0), (150.0, 300.0)],
        [(5.0, 5.0), (5.0, 5.0), (5.0, 5.0), (5.0, 5.0)],
        [(900.0, 900.0), (950.0, 900.0), (950.0, 950.0), (900.0, 950.0)],
        [(-90.0, -90.0), (-50.0, -90.0), (-50.0, -50.0), (-90.0, -50.0)],
    ],
)
def test_polygons_may_reach_out_of_the_picture(polygon: list[tuple[float, float]]) -> None:
    with Image.open(io.BytesIO(covered(stripes(), [polygon], 10))) as picture:
        assert picture.size == (160, 90)
