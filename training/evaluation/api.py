"""Sends validation photographs to the REST API of the running system."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

import httpx
from tqdm import tqdm

from training.data.dataset import DataPart, Split
from training.evaluation.labels import PlateLabel, photo_labels, plate_label
from training.evaluation.matching import FoundPlate, Json, Matched, found_plates, match

CONFIG: Final = {"detection_mode": "vehicle", "threshold_o": 0.0}
"""The defaults, but with every detection, readable or not; the figures apply thresholds on the text."""

_CALLERS: Final = 3


async def read_photos(url: str, photos: Mapping[str, bytes], **config: float | str) -> dict[str, Json]:
    """The answer to each encoded photograph, by name; `config` is added to `CONFIG`."""
    answers: dict[str, Json] = {}
    left = iter(tqdm(photos.items(), desc="photos", unit="photo"))
    data = {"config": json.dumps(CONFIG | config), "mmc": "true", "direction": "true"}

    async def caller(client: httpx.AsyncClient) -> None:
        for file, photo in left:
            upload = {"upload": (PurePath(file).name, photo)}
            response = await client.post("/v1/plate-reader/", files=upload, data=data)
            answers[file] = response.raise_for_status().json()

    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        await asyncio.gather(*(caller(client) for _ in range(_CALLERS)))
    return answers


def matched_photos(
    url: str, part: DataPart, split: Split, **config: float | str
) -> tuple[list[Matched], dict[str, bytes]]:
    """Every photograph of the split with its answer matched to its labels; and the encoded photographs."""
    rows = part.by_picture(split)
    photos = dict(part.encoded(rows))
    answers = asyncio.run(read_photos(url, photos, **config))
    return [match(photo_labels(file, rows[file]), answers[file]) for file in rows], photos


def cut_out_plates(url: str, part: DataPart, split: Split) -> list[tuple[str, PlateLabel, FoundPlate | None]]:
    """Every plate crop of the split, sent as a photograph: its set, its label, and the answer's first plate."""
    rows = {row["file"]: row for row in part.rows(split)}
    answers = asyncio.run(read_photos(url, dict(part.encoded(rows))))
    return [(row["set"], plate_label(row), next(iter(found_plates(answers[file])), None)) for file, row in rows.items()]
