"""Reads all plates of a picture, and doubtful ones once more from crops that were cut in other ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ocr.decode import DecodedCrop, read
from ocr.guidance import UNGUIDED, Guidance
from ocr.region_prior import Templates
from platelane.pb.v1 import domain_pb2
from platelane.text_score import TextScore

DOUBT: Final = 0.98
"""Confidence below which a plate is read again. On validation photographs, 45 % of such texts are wrong, and 1 % of the
others."""

UPSIDE_DOWN: Final = 3.0
"""A doubtful plate counts as upside down if half a turn divides the doubt about its text by at least this factor. Of
900 upright plates none was taken for upside down; of the same plates turned by half, 94 % were. Most of these would
otherwise be misread, half of them with a score high enough to be reported."""
_LEAST: Final = 0.5
"""Lowest confidence that the text of the turned plate must have."""

UNCALIBRATED: Final = TextScore()

Model = Callable[[Sequence[bytes]], Awaitable[dict[str, NDArray[Any]]]]
"""The reader: crops in, `characters` (N, T, C) and `region` (N, R) out."""


async def read_plates(
    model: Model,
    crops: Sequence[bytes],
    other_crops: Sequence[bytes],
    characters: Sequence[str],
    templates: Templates,
    guidance: Guidance = UNGUIDED,
    *,
    character_scores: bool = False,
    text_score: TextScore = UNCALIBRATED,
) -> list[domain_pb2.Plate]:
    """The plates in the order of `crops`. Doubtful ones are read from all of their crops together, turned by half if
    they are upside down.

    Args:
        other_crops: further crops of the same plates, the same number for each, plate by plate; or empty.
        character_scores: as for `read`.
        text_score: calibrates the scores of texts.

    Raises: what `model` raises.
    """

    def decode_each(outputs: dict[str, NDArray[Any]]) -> list[DecodedCrop]:
        pairs = zip(outputs["characters"], outputs["region"], strict=True)
        return [DecodedCrop.of(frames, regions, characters, guidance) for frames, regions in pairs]

    def read_one(crops: list[DecodedCrop]) -> domain_pb2.Plate:
        return read(crops, characters, templates, guidance, character_scores=character_scores)

    def read_alone(outputs: dict[str, NDArray[Any]]) -> tuple[list[DecodedCrop], list[domain_pb2.Plate]]:
        decoded = decode_each(outputs)
        return decoded, [read_one([crop]) for crop in decoded]

    def read_together(firsts: list[DecodedCrop], others: list[DecodedCrop]) -> list[domain_pb2.Plate]:
        return [read_one([first, *others[at * ways : (at + 1) * ways]]) for at, first in enumerate(firsts)]

    def read_again(
        outputs: dict[str, NDArray[Any]],
    ) -> tuple[list[domain_pb2.Plate], list[DecodedCrop], list[domain_pb2.Plate]]:
        further = decode_each(outputs)
        others, turned = further[: -len(doubtful)], further[-len(doubtful) :]
        together = read_together([decoded[i] for i in doubtful], others)
        return together, turned, [read_one([crop]) for crop in turned]

    def read_turned(outputs: dict[str, NDArray[Any]], firsts: list[DecodedCrop]) -> list[domain_pb2.Plate]:
        return read_together(firsts, decode_each(outputs))

    # decoding many plates takes a while; threads let other jobs continue
    decoded, plates = await asyncio.to_thread(read_alone, await model(crops))
    ways = len(other_crops) // max(1, len(crops))
    doubtful = [i for i, plate in enumerate(plates) if plate.text_score < DOUBT] if ways else []
    if doubtful:
        others = [crop for i in doubtful for crop in other_crops[i * ways : (i + 1) * ways]]
        outputs = await model([*others, *(turned_by_half(crops[i]) for i in doubtful)])
        together, turned, alone = await asyncio.to_thread(read_again, outputs)
        upside_down = [at for at, i in enumerate(doubtful) if is_upside_down(plates[i], alone[at])]
        for i, plate in zip(doubtful, together, strict=True):
            plates[i] = plate
        if upside_down:
            others = [crop for at in upside_down for crop in others[at * ways : (at + 1) * ways]]
            outputs = await model([turned_by_half(crop) for crop in others])
            upright = await asyncio.to_thread(read_turned, outputs, [turned[at] for at in upside_down])
            for at, plate in zip(upside_down, upright, strict=True):
                plates[doubtful[at]] = plate
    for plate in plates:
        calibrate(plate, text_score)
    return plates


def turned_by_half(crop: bytes) -> bytes:
    """A crop (UINT8, three channels) rotated by 180 degrees."""
    return np.frombuffer(crop, np.uint8).reshape(-1, 3)[::-1].tobytes()


def is_upside_down(plate: domain_pb2.Plate, turned: domain_pb2.Plate) -> bool:
    """Whether a plate is upside down, judged by its readings before and after half a turn, each from one crop."""
    doubt = 1 - (plate.text_score if plate.text else 0.0)
    return bool(turned.text) and turned.text_score >= _LEAST and UPSIDE_DOWN * (1 - turned.text_score) < doubt


def calibrate(plate: domain_pb2.Plate, text_score: TextScore) -> None:
    """Calibrate the scores of a plate's texts."""
    if plate.text:
        plate.text_score = text_score.of(plate.text_score)
    for candidate in plate.candidates:
        candidate.score = text_score.of(candidate.score)
