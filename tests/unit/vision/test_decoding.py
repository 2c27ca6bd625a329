from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from platelane.errors import BadImage
from platelane.vision import decoding, header
from tests.pictures import FORMATS, encoded, float_tiff, many_scans, noise, png_chunk, scene

LIMIT = 1_000_000


def colours(data: bytes) -> tuple[str, str]:
    """What the left and the right part of a decoded picture show."""
    decoded = decoding.decode(data)
    assert decoded.image.dtype == np.uint8
    assert decoded.image.shape == (32, 64, 3)
    assert not decoded.truncated
    return _colour(decoded.image[16, 8]), _colour(decoded.image[16, 56])


def _colour(pixel: NDArray[np.uint8]) -> str:
    blue, green, red = (int(value) for value in pixel)
    if max(abs(a - b) for a, b in pairwise((blue, green, red))) < 8:
        return "light" if blue > 100 else "dark"
    return "red" if red > 180 and blue < 70 else "blue" if blue > 180 and red < 70 else str(pixel)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_decodes_to_the_same_blue_green_red_picture(format: str) -> None:
    data = encoded(scene(), format)
    found = header.probe(data, LIMIT)
    coded = 64 if format == "HEIF" else 32  # the least size of a coded picture, of which the file shows a part
    assert (found.format.name, found.width, found.height) == (format, 64, coded)
    assert colours(data) == ("red", "blue")


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "RGB", {"subsampling": 0, "restart_marker_blocks": 1}),
        ("PNG", "P", {}),
        ("PNG", "P", {"transparency": 0}),
        ("PNG", "RGBA", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "P", {}),
        ("BMP", "RGBA", {}),
        ("TIFF", "P", {}),
        ("TIFF", "RGBA", {}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "YCbCr", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
        ("TIFF", "RGB", {"compression": "packbits"}),
        ("TIFF", "RGB", {"big_tiff": True}),
        ("HEIF", "RGBA", {}),
        ("AVIF", "RGBA", {}),
    ],
)
def test_every_kind_of_a_format_has_the_right_colours(format: str, mode: str, options: dict[str, Any]) -> None:
    assert colours(encoded(scene().convert(mode), format, **options)) == ("red", "blue")


def test_an_adobe_ycck_jpeg_has_the_right_colours() -> None:
    """As Photoshop writes CMYK: inverted, and turned into YCC."""
    red, green, blue = (255 - np.asarray(each, np.float32) for each in scene().split())
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    ycck = np.stack([luma, 128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma), np.full_like(luma, 255)], axis=2)
    raw = encoded(Pillow.fromarray(np.clip(255 - ycck, 0, 255).astype(np.uint8), "CMYK"), "JPEG", quality=95)
    adobe = raw.index(b"Adobe")
    assert colours(raw[: adobe + 11] + b"\2" + raw[adobe + 12 :]) == ("red", "blue")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_grey_with_alpha_is_grey(format: str) -> None:
    picture = Pillow.merge("LA", (scene().getchannel("R"), Pillow.new("L", (64, 32), 40)))
    assert colours(encoded(picture, format)) == ("light", "dark")


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_eight(format: str) -> None:
    values = np.zeros((32, 64), np.uint16)
    values[:, :32] = 40_000
    image = decoding.decode(encoded(Pillow.fromarray(values), format)).image
    assert image[16, 8].tolist() == [156] * 3
    assert image[16, 56].tolist() == [0] * 3


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_sixteen_bit_colour_keeps_its_upper_eight(extension: str) -> None:
    values = np.zeros((32, 64, 3), np.uint16)
    values[:, :32, 2], values[:, 32:, 0] = 56_320, 56_320
    assert colours(bytes(cv2.imencode(extension, values)[1])) == ("red", "blue")


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0, 900_000.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_floating_point_tiff_is_read_by_its_largest_value(white: float, channels: int) -> None:
    values = np.zeros((32, 64), np.float32)
    values[:, :20], values[:, 20:40], values[0, 0] = white, white / 2, np.nan
    data = float_tiff(values if channels == 1 else np.repeat(values[:, :, None], 3, axis=2))
    decoded = decoding.decode(data)
    assert not decoded.truncated
    assert decoded.image[16, [8, 30, 56]].tolist() == [[255] * 3, [127] * 3, [0] * 3]


def test_a_dark_floating_point_tiff_stays_dark() -> None:
    image = decoding.decode(float_tiff(np.full((32, 64), 0.25, np.float32))).image
    assert (image == 63).all()


def test_a_tiff_of_32_bit_integers_is_read() -> None:
    values = np.zeros((32, 64), np.int32)
    values[:, :32] = 65_535
    image = decoding.decode(encoded(Pillow.fromarray(values), "TIFF")).image
    assert image[16, [8, 56]].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize(("kind", "channels"), [("P5", 1), ("P6", 3)])
@pytest.mark.parametrize("largest", [31, 255, 1023, 4095, 65535])
def test_the_largest_value_of_a_pnm_is_white(kind: str, channels: int, largest: int) -> None:
    values = np.full((4, 6, channels), largest, dtype=">u2" if largest > 255 else np.uint8)
    values[:, :3] = 0
    image = decoding.decode(f"{kind}\n6 4\n{largest}\n".encode() + values.tobytes()).image
    assert image.shape == (4, 6, 3)
    assert (image[:, :3] == 0).all()
    assert (image[:, 3:] == 255).all()


@pytest.mark.parametrize(
    "start", [b"Pf\n6 4\n-1.0\n", b"PF\n6 4\n-1.0\n", b"P7\nWIDTH 6\nHEIGHT 4\n", b"\xff\x0a", b"\0\0\0\x0cJXL "]
)
def test_what_is_not_accepted_is_told_what_is(start: bytes) -> None:
    with pytest.raises(BadImage, match="JPEG, PNG, BMP, WebP, PNM, GIF, TIFF, HEIC and AVIF"):
        decoding.decode(start + bytes(300))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(format: str, orientation: int) -> None:
    """The picture's upper left quarter is red; EXIF says which way up it has to be turned."""
    picture = Pillow.new("RGB", (64, 32), (0, 0, 220))
    picture.paste((220, 0, 0), (0, 0, 32, 16))
    image = decoding.decode(encoded(picture, format, orientation)).image
    assert image.shape == ((32, 64, 3) if orientation < 5 else (64, 32, 3))
    corners = [image[y, x, 2] > 150 for y, x in ((4, 4), (4, -5), (-5, -5), (-5, 4))]
    assert corners.index(True) == [0, 1, 2, 3, 0, 1, 2, 3][orientation - 1]
    assert sum(corners) == 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_its_end_marker_has_all_of_its_pixels(options: dict[str, Any]) -> None:
    data = encoded(noise(), "JPEG", **options)
    whole, cut = decoding.decode(data), decoding.decode(data[:-2])
    assert not whole.truncated
    assert cut.truncated
    np.testing.assert_array_equal(whole.image, cut.image)


@pytest.mark.parametrize("share", [0.9, 0.5])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM"])
def test_what_is_cut_off_is_read_as_far_as_it_goes(format: str, share: float) -> None:
    data = encoded(noise(), format, **({"interlace": 0} if format == "GIF" else {}))
    whole, cut = decoding.decode(data).image, decoding.decode(data[: int(share * len(data))])
    assert cut.truncated
    rows = int(200 * (share - 0.15))
    kept = slice(200 - rows, 200) if format == "BMP" else slice(0, rows)  # whose lowest row comes first
    np.testing.assert_allclose(cut.image[kept].astype(int), whole[kept].astype(int), atol=2)


@pytest.mark.parametrize("share", [0.99, 0.9, 0.6])
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_blocks_of_a_film_format_that_are_there_are_read(format: str, share: float) -> None:
    """These are coded in rows of blocks of up to 64 pixels."""
    data = encoded(noise(400, 400), format)
    whole, cut = decoding.decode(data).image, decoding.decode(data[: int(share * len(data))])
    assert cut.truncated
    rows = int(400 * share) - 64
    np.testing.assert_allclose(cut.image[:rows].astype(int), whole[:rows].astype(int), atol=8)
    for length in (0.4, 0.2):  # of which less is there than is missing
        with pytest.raises(BadImage, match="broken or cut off"):
            decoding.decode(data[: int(length * len(data))])


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_is_read_wherever_it_is_cut_off(mode: str, lossless: bool) -> None:
    """Zeros in place of exactly what is missing are too few at some of these places."""
    data = encoded(noise(120, 80).convert(mode), "WEBP", lossless=lossless)
    for length in range(len(data) * 11 // 20, len(data), 7):
        assert decoding.decode(data[:length]).image.shape == (80, 120, 3)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("share", [0.9, 0.4, 0.2])
def test_of_an_animation_that_is_cut_off_the_first_picture_is_read(share: float, lossless: bool) -> None:
    first, others = noise(), [noise().rotate(90 * turns) for turns in range(1, 4)]
    data = encoded(first, "WEBP", save_all=True, append_images=others, lossless=lossless)
    whole, cut = decoding.decode(data).image, decoding.decode(data[: int(share * len(data))])
    assert cut.truncated
    rows = 200 if share > 0.25 else 100
    np.testing.assert_allclose(cut.image[:rows].astype(int), whole[:rows].astype(int), atol=2)


def test_a_webp_that_claims_more_than_twice_what_is_there_is_refused() -> None:
    data = encoded(noise(), "WEBP", lossless=True)
    for claimed in (3 * len(data), 0xFFFFFFF0):
        with pytest.raises(BadImage, match="broken or cut off"):
            decoding.decode(data[:4] + b"\xff\xff\xff\x7f" + data[8:16] + claimed.to_bytes(4, "little") + data[20:-9])


@pytest.mark.parametrize("exif", [b"Exif\x00\x00", b"Exif\x00\x00" + bytes(50), b"garbage" * 20])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_damaged_metadata_does_no_harm(format: str, exif: bytes) -> None:
    assert colours(encoded(scene(), format, exif=exif)) == ("red", "blue")


@pytest.mark.parametrize("share", [0.99, 0.9])
def test_a_heic_with_metadata_that_is_cut_off_is_read(share: float) -> None:
    """As phones write it."""
    data = encoded(noise(400, 400), "HEIF", orientation=1)
    whole, cut = decoding.decode(data).image, decoding.decode(data[: int(share * len(data))])
    assert cut.truncated
    np.testing.assert_allclose(cut.image[:300].astype(int), whole[:300].astype(int), atol=8)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_compressed_tiff_that_is_cut_off_is_refused_in_words(compression: str) -> None:
    """Its directory, which says where the pixels are, comes last."""
    data = encoded(noise(), "TIFF", compression=compression)
    assert decoding.decode(data).image.shape == (200, 200, 3)
    with pytest.raises(BadImage, match="The TIFF image is damaged: its header cannot be read"):
        decoding.decode(data[: int(0.9 * len(data))])


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_holds_no_pixels_is_no_picture(format: str) -> None:
    data = encoded(noise(), format)
    for length in (12, 24, 33, 50):
        with pytest.raises(BadImage):
            decoding.decode(data[:length])


def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadImage, match="too many scans: at 2000 x 2000 pixels, 250 are accepted"):
        decoding.decode(many_scans(2_000, 2_000, 245))
    assert decoding.decode(many_scans(200, 200, 500)).image.shape == (200, 200, 3)
    with pytest.raises(BadImage, match="15258 are accepted"):
        decoding.decode(many_scans(16, 16, 16_000))


@pytest.mark.parametrize("process", [0xC3, 0xC5, 0xC9, 0xCA])
def test_jpegs_that_nobody_sends_are_refused(process: int) -> None:
    data = encoded(scene(), "JPEG")
    at = data.index(b"\xff\xc0")
    with pytest.raises(BadImage, match="baseline and progressive"):
        decoding.decode(data[: at + 1] + bytes((process,)) + data[at + 2 :])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_the_first_is_read(format: str) -> None:
    further = [Pillow.new("RGB", (64, 32), (0, 200, 0))] * 3
    assert colours(encoded(scene(), format, save_all=True, append_images=further)) == ("red", "blue")


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_interlaced_pictures_are_read(format: str) -> None:
    if format == "GIF":
        data = encoded(scene(), "GIF", interlace=1)
    else:  # Adam7: seven pictures one after another, each of every eighth, fourth or second pixel
        import zlib

        pixels = np.asarray(scene())
        passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
        rows = b"".join(b"\0" + row.tobytes() for y, x, dy, dx in passes for row in pixels[y::dy, x::dx])
        size = encoded(scene(), "PNG")[16:28] + b"\1"
        data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", size) + png_chunk(b"IDAT", zlib.compress(rows))
        data += png_chunk(b"IEND", b"")
    assert colours(data) == ("red", "blue")


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"BM",
            b"P6\n",
            b"II*\0",
            b"\0\0\0\x1cftypheic",
            b"\0\0\0\x1cftypavif",
        ]
    ),
)
def test_arbitrary_bytes_raise_bad_image_or_pass(data: bytes, start: bytes) -> None:
    try:
        header.probe(start + data, LIMIT)
        decoding.decode(start + data)
    except BadImage:
        pass


@pytest.mark.parametrize("channels", [1, 3])
def test_a_deep_pnm_is_scaled_exactly_and_read_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    monkeypatch.delattr(decoding, "_by_pillow")  # which takes four seconds a megapixel
    values = np.random.default_rng(1).integers(0, 4_096, (1_080, 1_920, channels)).astype(">u2")
    kind = "P6" if channels == 3 else "P5"
    data = f"{kind}\n# of a camera\n1920 1080\n4095\n".encode() + values.tobytes()
    expected = np.rint(np.broadcast_to(values[:, :, ::-1], (1_080, 1_920, 3)).astype(np.float64) * 255 / 4_095)

    whole, cut = decoding.decode(data), decoding.decode(data[: len(data) // 2])

    assert not whole.truncated
    assert cut.truncated
    assert np.abs(whole.image - expected).max() <= 1
    np.testing.assert_array_equal(cut.image[:500], whole.image[:500])


@pytest.mark.parametrize("kind", ["P1", "P2", "P3"])
def test_a_pnm_of_numbers_as_text_is_read_if_all_are_there(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    largest, channels = (1 if kind == "P1" else 255), 3 if kind == "P3" else 1
    values = np.random.default_rng(2).integers(0, largest + 1, (60, 80, channels))
    text = " ".join(map(str, values.ravel()))
    data = f"{kind}\n# by hand\n80 60\n{'' if kind == 'P1' else '255'}\n{text}\n".encode()
    expected = np.broadcast_to((1 - values) * 255 if kind == "P1" else values[:, :, ::-1], (60, 80, 3))
    with pytest.raises(BadImage, match="cut off"):
        decoding.decode(data[: len(data) // 2])
    monkeypatch.delattr(decoding, "_by_pillow")
    whole = decoding.decode(data)
    assert not whole.truncated
    np.testing.assert_array_equal(whole.image, expected)
