"""The worst failures as one picture. It shows real plates, so keep it out of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rapidfuzz.distance import Levenshtein

from platelane.vision.crops import Image, cut
from training.data.dataset import decode
from training.evaluation.labels import PlateLabel
from training.evaluation.matching import FoundPlate, Matched

_TILE: Final = (240, 120)
_COLUMNS: Final = 6
_MOST: Final = 60
_CAPTION: Final = 36


def contact_sheet(photos: Sequence[Matched], encoded: Mapping[str, bytes], path: Path) -> None:
    """Plates with the largest edit distance first; below each, its label and its reading."""
    failures = [
        (Levenshtein.distance(_text(found), label.text), matched.photo.file, label, found)
        for matched in photos
        for label, found in matched.plates
        if label.text and label.legibility == "clear" and _text(found) != label.text
    ]
    failures.sort(key=lambda failure: (-failure[0], failure[1]))
    tiles = [_tile(decode(encoded[file]), label, found) for _, file, label, found in failures[:_MOST]]
    if not tiles:
        return
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows))


def _text(found: FoundPlate | None) -> str:
    return found.texts[0] if found else ""


def _tile(image: Image, label: PlateLabel, found: FoundPlate | None) -> Image:
    height, width = image.shape[:2]
    view = cut(image, label.box.grown(0.3).clipped(width, height))
    canvas = np.zeros((_TILE[1] + _CAPTION, _TILE[0], 3), dtype=np.uint8)
    scale = min(_TILE[0] / view.shape[1], _TILE[1] / view.shape[0])
    shown = cv2.resize(view, (max(1, int(view.shape[1] * scale)), max(1, int(view.shape[0] * scale))))
    canvas[: shown.shape[0], : shown.shape[1]] = shown
    read = f"{found.texts[0]} {found.score:.2f}" if found else "not found"
    for line, (text, color) in enumerate(((label.text, (255, 255, 255)), (read, (80, 160, 255)))):
        cv2.putText(canvas, text, (4, _TILE[1] + 14 + 16 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)
    return canvas
