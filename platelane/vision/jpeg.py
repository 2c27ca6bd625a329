"""The structure of a JPEG (ITU-T T.81, annex B): its frame, and how many scans it has, without decoding a pixel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

END: Final = b"\xff\xd9"
"""The marker EOI."""

_SEGMENTS: Final = 4_096
"""The most segments before the frame. Profiles and metadata are split into segments of 64 kB, so real files have a few
dozen."""
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN: Final = 0xDA
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment: TEM, RST and SOI."""
_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""A marker that cannot be part of entropy-coded data, in which 0xFF is followed by 0 or belongs to a restart marker."""
_STEP: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header. `process` is the second byte of its marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive;
    others are not in use. `end` is where the header ends."""

    process: int
    precision: int
    width: int
    height: int
    end: int


def frame(data: bytes) -> Frame:
    """The frame header.

    Raises:
        ValueError: there is none, or it comes after thousands of segments.
    """
    position = 2
    for _ in range(_SEGMENTS):
        marker = _MARKER.search(data, position, position + _STEP)
        if marker is None:
            break
        kind, position = marker[1][0], marker.end()
        if kind in _ALONE:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if kind in _FRAMES and position + 8 <= len(data):
            height, width = (int.from_bytes(data[at : at + 2], "big") for at in (position + 3, position + 5))
            return Frame(kind, data[position + 2], width, height, position + length)
        if kind in (_START_OF_SCAN, END[1]) or length < 2:
            break
        position += length
    raise ValueError("no frame header")


def scans(data: bytes, start: int, limit: int) -> tuple[int, bool]:
    """The number of scans after a frame header that ends at `start`, and whether the picture's end is present.

    Counting stops above `limit`.
    """
    count, position = 0, start
    while count <= limit and position < len(data):
        # in steps, between which other threads run
        marker = _MARKER.search(data, position, min(len(data), position + _STEP))
        if marker is None:
            position += _STEP - 1 if position + _STEP < len(data) else _STEP
            continue
        kind, position = marker[1][0], marker.end()
        if kind == END[1]:
            return count, True
        count += kind == _START_OF_SCAN
        if kind not in _ALONE:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return count, False
