"""All plates of a picture: read once, and where that leaves a doubt a second time, cut another way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from ocr.guidance import UNGUIDED, Guidance
from ocr.reading import read
from platelane.pb.v1 import domain_pb2

DOUBT: Final = 0.95
"""Score below which a plate is read a second time: of such texts two thirds are wrong on validation photographs."""

Model = Callable[[Sequence[bytes]], Awaitable[dict[str, NDArray[Any]]]]
"""The reader: crops in, `characters` (N, T, C) and `region` (N, R) out."""


async def read_plates(
    model: Model,
    crops: Sequence[bytes],
    second_crops: Sequence[bytes],
    characters: Sequence[str],
    codes: Sequence[str],
    guidance: Guidance = UNGUIDED,
) -> list[domain_pb2.Plate]:
    """The plates in the order of `crops`, each as the surer of its readings.

    Args:
        second_crops: the same plates cut another way, or nothing.

    Raises: what `model` raises.
    """

    async def answers(chosen: Sequence[bytes]) -> list[domain_pb2.Plate]:
        outputs = await model(chosen)
        pairs = zip(outputs["characters"], outputs["region"], strict=True)
        return [read(frames, regions, characters, codes, guidance) for frames, regions in pairs]

    plates = await answers(crops)
    doubtful = [i for i, plate in enumerate(plates) if plate.text_score < DOUBT] if second_crops else []
    if doubtful:
        for i, again in zip(doubtful, await answers([second_crops[i] for i in doubtful]), strict=True):
            plates[i] = max(plates[i], again, key=lambda plate: plate.text_score)
    return plates
