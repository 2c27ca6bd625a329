"""Decoding of encoded pictures, in the formats of `platelane.vision.formats`.

What is whole is read by OpenCV, what is cut off as far as it goes. Of several pictures in a file the first is read.
Bytes from outside are decoded by `platelane.vision.decoders`, in a process that a picture may take down.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import AvifImagePlugin, ImageFile, ImageOps
from PIL import Image as Pillow

from platelane.errors import BadImage
from platelane.vision import formats, header, jpeg, webp
from platelane.vision.crops import Image
from platelane.vision.decoders import Decoded
from platelane.vision.header import Header

SCAN_PIXELS: Final = 1_000_000_000
"""Scans times pixels of one JPEG: each scan goes over all of the picture, though it may take no more than ten bytes of
the file. Encoders write about ten; at the largest size that is accepted by default, 20 are possible."""

_LEAST_PIXELS: Final = 65_536
"""The least cost of a scan, because starting and ending it takes time even for small pictures."""
_JPEG_PROCESSES: Final = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive, with Huffman codes; others are hardly used, and arithmetic coding is slow."""
_PNG_CHUNKS: Final = 16_384
"""Chunks of one PNG; encoders write IDAT chunks of 8 kB and more."""
_BINARY_PNM: Final = re.compile(rb"P([56])(?:(?:\s|#[^\n]*\n)+\d{1,9}){2}(?:\s|#[^\n]*\n)+(\d{1,5})\s")
_PLAIN_PNM: Final = re.compile(rb"P(?:1|[23](?:(?:\s|#[^\n]*\n)+\d{1,9}){2}(?:\s|#[^\n]*\n)+255)\s")
"""Numbers as text, for which Pillow takes seconds a megapixel, too; OpenCV reads them if all are there."""
_PNM_HEADER: Final = 4_096
_PIECE: Final = 1 << 20
"""Values that are scaled at once, so that a picture takes little more than its own memory."""
_BOXES: Final = 256
"""Boxes of one HEIC or AVIF file, besides those in others; there are about three."""
_BROKEN: Final = "The image is broken or cut off."
_TOO_LARGE: Final = "The image takes more memory to decode than one of its size may."

# sizes are judged by a limit of their own
Pillow.MAX_IMAGE_PIXELS = None
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # as OpenCV decodes: several pictures at once are what takes all processors
pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def decode(data: bytes) -> Decoded:
    """The upright picture, EXIF orientation applied; alpha is dropped, and what is not of 8 bit becomes so.

    Call `header.probe` on bytes from outside first: this function decodes whatever size they claim.

    Raises:
        BadImage: it holds no picture, or takes too much time or memory.
    """
    found = header.read(data)
    try:
        decoded = _decode(data, found)
    except MemoryError as error:
        raise BadImage(_TOO_LARGE) from error
    if decoded.truncated and (decoded.image == decoded.image[0, 0]).all():
        raise BadImage(_BROKEN)  # nothing but what decoders fill in
    return decoded


def _decode(data: bytes, found: Header) -> Decoded:
    match found.format:
        case formats.JPEG:
            return _jpeg(data, found)
        # their decoders want all bytes, whatever they are
        case formats.WEBP if not webp.is_complete(data):
            return _cut_off_webp(data, found)
        case formats.HEIC | formats.AVIF if 0 < (missing := _boxes_end(data) - len(data)) <= len(data):
            return _cut_off_heif(data, missing, found)
        case formats.PNG if not _is_complete_png(data):
            return _by_pillow(data, found)
        # OpenCV heeds neither the largest value of PNM, 1023 or 4095 for some cameras, nor how AVIF is turned
        case formats.PNM if scaled := _scaled_pnm(data, found):
            return scaled
        case formats.PNM if not _PLAIN_PNM.match(data, 0, _PNM_HEADER):
            return _by_pillow(data, found)
        case formats.HEIC | formats.AVIF:
            return _by_pillow(data, found)
    with contextlib.suppress(BadImage):
        return Decoded(_by_opencv(data), truncated=False)
    if found.format is formats.TIFF:
        with contextlib.suppress(BadImage):
            return Decoded(_eight_bits(_by_opencv(data, cv2.IMREAD_ANYDEPTH)), truncated=False)
    return _by_pillow(data, found)


def _jpeg(data: bytes, found: Header) -> Decoded:
    frame = jpeg.frame(data)
    if frame.process not in _JPEG_PROCESSES or frame.precision != 8:
        raise BadImage("Only baseline and progressive JPEG images are supported.")
    most = SCAN_PIXELS // max(found.pixels, _LEAST_PIXELS)
    scans, complete = jpeg.scans(data, frame.end, most)
    if scans > most:
        raise BadImage(
            f"The JPEG image has too many scans: at {found.width} x {found.height} pixels, {most} are accepted."
        )
    if not scans:
        raise BadImage(_BROKEN)
    return Decoded(_by_opencv(data if complete else data + jpeg.END), truncated=not complete)


def _cut_off_webp(data: bytes, found: Header) -> Decoded:
    picture = webp.first_picture(data)
    if picture is None:
        raise BadImage(_BROKEN)
    if header.read(picture).pixels > found.pixels:  # of the frame of an animation, which `found` is not about
        raise BadImage(_TOO_LARGE)
    return Decoded(_by_opencv(picture), truncated=True)


def _cut_off_heif(data: bytes, missing: int, found: Header) -> Decoded:
    for filler in (b"\x00", b"\xff"):  # some decoders accept only one of them
        with contextlib.suppress(BadImage):
            return replace(_by_pillow(data + filler * missing, found), truncated=True)
    raise BadImage(_BROKEN)


def _boxes_end(data: bytes) -> int:
    """Where the last of the boxes ends that an ISO file begins with (ISO/IEC 14496-12, section 4.2)."""
    end = 0
    for _ in range(_BOXES):
        size, name = int.from_bytes(data[end : end + 4], "big"), data[end + 4 : end + 8]
        if size == 1:  # too long for 32 bits
            size = int.from_bytes(data[end + 8 : end + 16], "big")
        if len(name) < 4 or size < 8:  # which goes on to the end of the file, or is none
            break
        end += size
    return end


def _is_complete_png(data: bytes) -> bool:
    """Whether every chunk up to the IEND lies within the data (PNG specification, section 5.3).

    OpenCV allocates the length that a chunk claims, up to 4 GB, before it looks for the bytes.
    """
    start = 8  # after the signature
    for _ in range(_PNG_CHUNKS):
        length, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        start += 12 + length
        if start > len(data):
            return False
        if name == b"IEND":
            return True
    return False


def _by_opencv(data: bytes, depth: int = 0) -> NDArray[Any]:
    """Of 8 bit, of which it keeps the upper 8 of 16, or with `IMREAD_ANYDEPTH` as it is."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | depth)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise MemoryError from error
        raise BadImage(_BROKEN) from error
    if image is None:
        raise BadImage(_BROKEN)
    return image


def _by_pillow(data: bytes, found: Header) -> Decoded:
    """First as a whole, then as far as it goes."""
    for truncated in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
        try:
            return Decoded(_opened(data, found), truncated)
        except (BadImage, MemoryError):
            raise
        except Exception as error:  # Pillow raises whatever a damaged file makes its readers run into
            failure = error
    raise BadImage(_BROKEN) from failure


def _opened(data: bytes, found: Header) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is not the caller's problem
        with Pillow.open(io.BytesIO(data), formats=[found.format.name]) as picture:
            if picture.width * picture.height > found.pixels:
                raise BadImage(_TOO_LARGE)
            picture.load()
            upright = _upright(picture)
            if upright.mode in ("I", "F") or upright.mode.startswith("I;"):
                return _eight_bits(np.asarray(upright))
            return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[:, :, ::-1])


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """Turned as its EXIF data says; as it is if that is damaged."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # Pillow raises whatever its reader runs into
        return picture


def _scaled_pnm(data: bytes, found: Header) -> Decoded | None:
    """Binary PNM whose largest value is not 255, for which Pillow takes seconds a megapixel; None for any other."""
    head = _BINARY_PNM.match(data, 0, _PNM_HEADER)
    white = int(head[2]) if head else 255
    if head is None or white == 255 or not 0 < white < 1 << 16:
        return None
    kind, channels = np.dtype(">u2" if white > 255 else np.uint8), 3 if head[1] == b"6" else 1
    size = found.pixels * channels
    values = np.frombuffer(data, kind, min(size, (len(data) - head.end()) // kind.itemsize), head.end())
    scaled = np.zeros(size, np.uint8)
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE].astype(np.float32) * np.float32(255 / white)
        scaled[start : start + len(piece)] = np.minimum(np.rint(piece), 255)
    image = scaled.reshape(found.height, found.width, channels)
    if channels == 1:
        image = np.repeat(image, 3, axis=2)
    else:
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=image)  # in place
    return Decoded(image, truncated=len(values) < size)


def _eight_bits(values: NDArray[Any]) -> Image:
    """Grey or colour of any type as 8 bit, shape (height, width, 3); see `_white` for what becomes 255."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if values.dtype.kind == "f" else values
    scaled = np.clip(values.astype(np.float32) * np.float32(255 / _white(values)), 0, 255).astype(np.uint8)
    return np.repeat(scaled[:, :, None], 3, axis=2) if scaled.ndim == 2 else scaled


def _white(values: NDArray[Any]) -> float:
    """The value that stands for white, which files of these types do not say: the first usual one that none exceeds."""
    largest = float(values.max(initial=0))
    usual = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    return next((white for white in usual if largest <= white), largest)
