"""The vendor's benchmark: one JPEG, four concurrent calls, wall time divided by calls, client on the same machine."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks import load, results, stack
from benchmarks.load import CALLERS, Upload

SIZES: Final = ((800, 600), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
"""(width, height) of the pictures."""
MODES: Final = tuple((mode, mmc) for mode in ("regular", "fast") for mmc in (False, True))
QUALITY: Final = 90
"""Quality of the resized JPEGs."""


def resized(photo: bytes, width: int, height: int) -> bytes:
    """The middle of a JPEG, cropped and resized to that size; the file itself if it has that size."""
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a picture")
    old_height, old_width = image.shape[:2]
    if (old_width, old_height) == (width, height):
        return photo
    scale = min(old_width / width, old_height / height)
    cut_width, cut_height = round(width * scale), round(height * scale)
    x, y = (old_width - cut_width) // 2, (old_height - cut_height) // 2
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    shown = cv2.resize(image[y : y + cut_height, x : x + cut_width], (width, height), interpolation=way)
    return cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def main(photo: Path, calls: int = 60, rounds: int = 3) -> None:
    """Measure and write the section of RESULTS.md."""
    pictures = {size: resized(photo.read_bytes(), *size) for size in SIZES}
    cases = {
        (size, mode, mmc): Upload.of(picture, mode, mmc=mmc)
        for size, picture in pictures.items()
        for mode, mmc in MODES
    }
    walls: dict[tuple[tuple[int, int], str, bool], list[float]] = {case: [] for case in cases}
    with stack.running() as state, tqdm(total=rounds * len(cases), desc="snapshot", unit="case") as progress:
        for upload in cases.values():
            load.send(state.url, upload, 2 * CALLERS)
        for _ in range(rounds):
            for case, upload in cases.items():
                walls[case].append(load.send(state.url, upload, calls).wall)
                progress.update()
    rows = [
        [f"{width}x{height}", f"{len(pictures[width, height]) / 1000:.0f}"]
        + [_text(walls[(width, height), mode, mmc]) for mode, mmc in MODES]
        for width, height in SIZES
    ]
    results.record(
        "Snapshot (`python -m benchmarks snapshot`)",
        f"{photo.name} at five sizes, the same JPEG repeatedly, {CALLERS} concurrent calls, client included; {rounds} "
        f"round{'' if rounds == 1 else 's'} of {calls} calls of every case. Milliseconds of wall time a call (the time "
        "of a round divided by its calls), median (lowest to highest round, if there are several).\n\n"
        + results.table(["size", "kB", *(f"{mode}, `mmc`" if mmc else mode for mode, mmc in MODES)], rows),
    )


def _text(rounds: list[float]) -> str:
    if len(rounds) == 1:
        return f"{rounds[0]:.1f}"
    return f"{statistics.median(rounds):.1f} ({min(rounds):.1f} to {max(rounds):.1f})"
