"""Small encoded pictures of known colours, and what an attacker makes of them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
import pillow_heif
from PIL import Image as Pillow

FORMATS: Final = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF", "HEIF", "AVIF")
ORIENTATION: Final = 0x112


def scene(width: int = 64, height: int = 32) -> Pillow.Image:
    """Red on the left half, blue on the right."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2, 0], pixels[:, width // 2 :, 2] = 220, 220
    return Pillow.fromarray(pixels)


def noise(width: int = 200, height: int = 200) -> Pillow.Image:
    """Coarse noise, which no codec makes small."""
    small = np.random.default_rng(0).integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
    return Pillow.fromarray(small).resize((width, height))


def encoded(picture: Pillow.Image, format: str, orientation: int | None = None, **options: Any) -> bytes:
    """In a format of Pillow's, or HEIC ("HEIF")."""
    exif = Pillow.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
        options["exif"] = exif.tobytes()
    if format == "HEIF":
        return _heic(picture, options.pop("exif", None), **options)
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def _heic(picture: Pillow.Image, exif: bytes | None, **options: Any) -> bytes:
    file = pillow_heif.from_bytes(picture.mode, picture.size, picture.tobytes())
    file.info["exif"] = exif
    buffer = io.BytesIO()
    file.save(buffer, **{"quality": 90, **options})
    return buffer.getvalue()


def png_chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    """A chunk of a PNG; `length` is what it claims."""
    claimed = len(content) if length is None else length
    return struct.pack(">I", claimed) + name + content + struct.pack(">I", zlib.crc32(name + content))


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scans, ten bytes each, say nothing new."""
    whole = encoded(Pillow.new("RGB", (width, height), (90, 120, 60)), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * scans + whole[-2:]


def tiff(*entries: tuple[int, int, int, int], order: str = "<", large: bool = False, rest: bytes = b"") -> bytes:
    """A TIFF of one directory of entries (tag, type, count, value or offset), and bytes behind it."""
    start = b"II" if order == "<" else b"MM"
    if large:
        head = start + struct.pack(f"{order}HHHQQ", 43, 8, 0, 16, len(entries))
        return head + b"".join(struct.pack(f"{order}HHQQ", *entry) for entry in entries) + bytes(8) + rest
    head = start + struct.pack(f"{order}HIH", 42, 8, len(entries))
    return head + b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries) + bytes(4) + rest


def greedy() -> Iterator[tuple[str, bytes]]:
    """Pictures of 64 x 32 pixels and fewer, in which a length, a count or a size claims gigabytes, by name."""
    png = encoded(scene(), "PNG")
    start, size = png[:33], png[8:33]
    for name in (b"IDAT", b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fdAT", b"PLTE"):
        for claim in (0x10000000, 0x7FFFFFFF, 0xFF000000):
            yield f"PNG, {name.decode()} of {claim:#x}", start + png_chunk(name, b"", claim)
            yield f"PNG, {name.decode()} of {claim:#x} before pixels", start + png_chunk(name, b"", claim) + png[33:]
    bomb = zlib.compress(bytes(1 << 27), 9)
    for name, prefix in ((b"iCCP", b"a\0\0"), (b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")):
        yield f"PNG, {name.decode()} that inflates to 128 MB", start + png_chunk(name, prefix + bomb) + png[33:]
    yield "PNG, IDAT that inflates to 128 MB", start + png_chunk(b"IDAT", bomb) + png_chunk(b"IEND", b"")
    frame = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 0, 0))
    for frames in (1, 0x7FFFFFFF):
        animated = png_chunk(b"acTL", struct.pack(">II", frames, 0))
        yield f"APNG, {frames} frames larger than the picture", start + animated + frame + png[33:]
    yield (
        "PNG, a second header",
        start + png_chunk(b"IHDR", struct.pack(">II", 60_000, 60_000) + size[16:21]) + png[33:],
    )

    jpeg = encoded(scene(), "JPEG")
    frame_at = jpeg.index(b"\xff\xc0")
    yield (
        "JPEG, a second frame",
        jpeg[:frame_at]
        + jpeg[frame_at:].replace(
            b"\xff\xda",
            jpeg[frame_at : frame_at + 5] + b"\xea\x60\xea\x60" + jpeg[frame_at + 9 : frame_at + 19] + b"\xff\xda",
            1,
        ),
    )
    exif = b"Exif\0\0" + tiff(*((tag, 1, 0x7FFFFFFF, 0) for tag in range(900, 5_000)))
    icc = b"ICC_PROFILE\0\1\xff" + struct.pack(">I", 0xFFFFFFF0) + bytes(200)
    for metadata, marker, content in (("EXIF", 0xE1, exif), ("ICC", 0xE2, icc)):
        segment = bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
        yield f"JPEG, counts of {metadata}", jpeg[:2] + segment + jpeg[2:]
    yield "JPEG, 50,000 tables", jpeg[:2] + jpeg[jpeg.index(b"\xff\xdb") :][:69] * 50_000 + jpeg[2:]
    yield "JPEG, 200,000 empty segments", jpeg[:2] + b"\xff\xe5\0\2" * 200_000 + jpeg[2:]
    yield "JPEG, 200,000 fill bytes", jpeg[:2] + b"\xff" * 200_000 + jpeg[2:]

    for format in ("BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "HEIF"):
        whole = encoded(scene(), format)
        for at in range(2, min(len(whole) - 4, 160)):
            value = b"\x7f\xff\xff\xff" if format in ("AVIF", "HEIF") else b"\xff\xff\xff\x7f"
            yield f"{format}, {value.hex()} at {at}", whole[:at] + value + whole[at + 4 :]
    for order, large in (("<", False), (">", False), ("<", True)):
        kind = "BigTIFF" if large else "TIFF"
        base = [
            (256, 4, 1, 64),
            (257, 4, 1, 32),
            (258, 3, 1, 8 if order == "<" else 8 << 16),
            (262, 3, 1, 1 if order == "<" else 1 << 16),
        ]
        tricks: dict[str, list[tuple[int, int, int, int]]] = {
            "rows a strip": [(273, 4, 1, 8), (278, 4, 1, 0xFFFFFFFF), (279, 4, 1, 0xFFFFFFFF)],
            "a strip's bytes": [(273, 4, 1, 8), (278, 4, 1, 32), (279, 4, 1, 0x7FFFFFFF)],
            "strips": [(273, 4, 0x3FFFFFFF, 8), (278, 4, 1, 1), (279, 4, 0x3FFFFFFF, 8)],
            "a tile's size": [(322, 4, 1, 0x7FFFFFF0), (323, 4, 1, 0x7FFFFFF0), (324, 4, 1, 8), (325, 4, 1, 8)],
            "a tile's width": [(322, 4, 1, 0x100000), (323, 4, 1, 0x400), (324, 4, 1, 8), (325, 4, 1, 8)],
            "samples": [
                (273, 4, 1, 8),
                (277, 3, 1, 0xFFFF if order == "<" else 0xFFFF0000),
                (278, 4, 1, 32),
                (279, 4, 1, 2048),
            ],
            "an ICC profile": [(273, 4, 1, 8), (278, 4, 1, 32), (279, 4, 1, 2048), (34675, 7, 0xFFFFFFF0, 8)],
            "a directory inside": [(273, 4, 1, 8), (278, 4, 1, 32), (279, 4, 1, 2048), (330, 4, 1, 8)],
            "400 large entries": [(tag, 1, 0x100000, 8) for tag in range(900, 1_300)],
        }
        for trick, entries in tricks.items():
            whole = tiff(*sorted(base + entries), order=order, large=large, rest=bytes(2_048))
            yield f"{kind} {order}, {trick}", whole
            following = whole[:-2_052] + struct.pack(f"{order}I", 8) + whole[-2_048:]
            yield f"{kind} {order}, {trick}, directories in a loop", following
    for bits in (1, 4, 8, 16, 24, 32):
        for compression in (0, 1, 2, 3):
            bmp = b"BM" + struct.pack(
                "<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 64, 32, 1, bits, compression, 0, 0, 0, 0xFFFFFFF, 0
            )
            yield f"BMP, {bits} bit, compression {compression}, colours", bmp + bytes(40)
            yield (
                f"BMP, {bits} bit, compression {compression}, offset",
                bmp[:10] + b"\xff\xff\xff\x7f" + bmp[14:] + bytes(40),
            )
    gif = encoded(scene(), "GIF")
    behind_palette = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    image = gif.index(b",", behind_palette)
    yield "GIF, a frame of 65535 x 65535", gif[: image + 5] + b"\xff" * 4 + gif[image + 9 :]
    yield "GIF, 60,000 comments", gif[:behind_palette] + b"!\xfe\1a\0" * 60_000 + gif[behind_palette:]
    for magic in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"):
        yield f"{magic.decode()}, a comment without end", magic + b"\n#" + b"x" * 300_000
        yield f"{magic.decode()}, the largest value", magic + b"\n64 32\n99999999999999999999\n" + bytes(64)


def float_tiff(values: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    """32-bit numbers, (H, W) or blue-green-red (H, W, 3)."""
    if values.ndim == 2:
        return encoded(Pillow.fromarray(values), "TIFF")
    return bytes(cv2.imencode(".tiff", values)[1])
