"""All plates of a picture: read once, and where that leaves a doubt again, cut other ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from ocr.guidance import UNGUIDED, Guidance
from ocr.reading import Cut, read
from platelane.pb.v1 import domain_pb2

DOUBT: Final = 0.98
"""Score below which a plate is read again: of such texts 45 % are wrong on validation photographs, of the others 1."""

Model = Callable[[Sequence[bytes]], Awaitable[dict[str, NDArray[Any]]]]
"""The reader: crops in, `characters` (N, T, C) and `region` (N, R) out."""


async def read_plates(
    model: Model,
    crops: Sequence[bytes],
    other_crops: Sequence[bytes],
    characters: Sequence[str],
    codes: Sequence[str],
    guidance: Guidance = UNGUIDED,
) -> list[domain_pb2.Plate]:
    """The plates in the order of `crops`; doubtful ones as all of their cuts together say.

    Args:
        other_crops: the same plates cut other ways, equally many of each, plate by plate; or nothing.

    Raises: what `model` raises.
    """

    def cuts_of(outputs: dict[str, NDArray[Any]]) -> list[Cut]:
        pairs = zip(outputs["characters"], outputs["region"], strict=True)
        return [Cut.of(frames, regions, characters, guidance) for frames, regions in pairs]

    def read_alone(outputs: dict[str, NDArray[Any]]) -> tuple[list[Cut], list[domain_pb2.Plate]]:
        cuts = cuts_of(outputs)
        return cuts, [read([cut], characters, codes, guidance) for cut in cuts]

    def read_together(outputs: dict[str, NDArray[Any]]) -> list[domain_pb2.Plate]:
        others = cuts_of(outputs)
        cuts_of_each = [[cuts[i], *others[at * ways : (at + 1) * ways]] for at, i in enumerate(doubtful)]
        return [read(own, characters, codes, guidance) for own in cuts_of_each]

    # decoding of many plates takes a while: other jobs go on meanwhile
    cuts, plates = await asyncio.to_thread(read_alone, await model(crops))
    ways = len(other_crops) // max(1, len(crops))
    doubtful = [i for i, plate in enumerate(plates) if plate.text_score < DOUBT] if ways else []
    if doubtful:
        outputs = await model([crop for i in doubtful for crop in other_crops[i * ways : (i + 1) * ways]])
        for i, plate in zip(doubtful, await asyncio.to_thread(read_together, outputs), strict=True):
            plates[i] = plate
    return plates
