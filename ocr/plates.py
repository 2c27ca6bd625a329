"""Reads all plates of a picture, and doubtful ones once more from crops that were cut in other ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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

Outputs = Mapping[str, NDArray[Any]]
"""`characters` (N, T, C) and `region` (N, R)."""
Model = Callable[[Sequence[bytes]], Awaitable[Outputs]]
"""The reader: N crops in, its outputs for them."""


@dataclass(frozen=True, slots=True)
class CropReader:
    """Reads plates from their crops.

    guidance: what the caller expects to read; character_scores: as for `decode.read`; text_score: calibrates the scores
    of texts.
    """

    model: Model
    characters: Sequence[str]
    templates: Templates
    guidance: Guidance = UNGUIDED
    character_scores: bool = False
    text_score: TextScore = UNCALIBRATED

    async def read(self, crops: Sequence[bytes], other_crops: Sequence[bytes]) -> list[domain_pb2.Plate]:
        """The plates in the order of `crops`. Doubtful ones are read from all of their crops together, turned by half
        if they are upside down.

        Args:
            other_crops: further crops of the same plates, the same number for each, plate by plate; or empty.

        Raises: what `model` raises.
        """
        ways = len(other_crops) // max(1, len(crops))
        # decoding many plates takes a while; threads let other jobs continue
        decoded, plates = await asyncio.to_thread(self._read_alone, await self.model(crops))
        doubtful = {
            i: _Doubtful(plate, crops[i], decoded[i], other_crops[i * ways : (i + 1) * ways])
            for i, plate in enumerate(plates)
            if ways and plate.text_score < DOUBT
        }
        if doubtful:
            again = await self._read_again(list(doubtful.values()), ways)
            for i, plate in zip(doubtful, again, strict=True):
                plates[i] = plate
        for plate in plates:
            calibrate(plate, self.text_score)
        return plates

    async def _read_again(self, doubtful: Sequence[_Doubtful], ways: int) -> list[domain_pb2.Plate]:
        """Doubtful plates from all of their crops; each has `ways` other ones."""
        others = [crop for each in doubtful for crop in each.others]
        outputs = await self.model([*others, *(turned_by_half(each.crop) for each in doubtful)])
        of_others = {name: values[: len(others)] for name, values in outputs.items()}
        of_turned = {name: values[len(others) :] for name, values in outputs.items()}
        decoded = [each.decoded for each in doubtful]
        plates = await asyncio.to_thread(self._read_together, decoded, of_others, ways)
        turned, turned_plates = await asyncio.to_thread(self._read_alone, of_turned)
        hanging = [i for i, each in enumerate(doubtful) if is_upside_down(each.plate, turned_plates[i])]
        if hanging:
            outputs = await self.model([turned_by_half(crop) for i in hanging for crop in doubtful[i].others])
            upright = await asyncio.to_thread(self._read_together, [turned[i] for i in hanging], outputs, ways)
            for i, plate in zip(hanging, upright, strict=True):
                plates[i] = plate
        return plates

    def _read_alone(self, outputs: Outputs) -> tuple[list[DecodedCrop], list[domain_pb2.Plate]]:
        """Each crop, and the plate that it alone shows."""
        decoded = self._decoded(outputs)
        return decoded, [self._plate([crop]) for crop in decoded]

    def _read_together(self, first: Sequence[DecodedCrop], others: Outputs, ways: int) -> list[domain_pb2.Plate]:
        """Plates, each from its first crop and `ways` other ones."""
        decoded = self._decoded(others)
        return [self._plate([crop, *decoded[i * ways : (i + 1) * ways]]) for i, crop in enumerate(first)]

    def _decoded(self, outputs: Outputs) -> list[DecodedCrop]:
        pairs = zip(outputs["characters"], outputs["region"], strict=True)
        return [DecodedCrop.of(frames, regions, self.characters, self.guidance) for frames, regions in pairs]

    def _plate(self, crops: Sequence[DecodedCrop]) -> domain_pb2.Plate:
        return read(crops, self.characters, self.templates, self.guidance, character_scores=self.character_scores)


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """A plate that is to be read again, the crop that it was read from, and its other crops."""

    plate: domain_pb2.Plate
    crop: bytes
    decoded: DecodedCrop
    others: Sequence[bytes]


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
