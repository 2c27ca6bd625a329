"""All plates of a picture: read once, and where that leaves a doubt again, cut other ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ocr.guidance import UNGUIDED, Guidance
from ocr.reading import read, read_cuts
from platelane.pb.v1 import domain_pb2

DOUBT: Final = 0.98
"""Score below which a plate is read again: of such texts half are wrong on validation photographs."""

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
    first = await model(crops)
    pairs = zip(first["characters"], first["region"], strict=True)
    plates = [read(frames, regions, characters, codes, guidance) for frames, regions in pairs]
    ways = len(other_crops) // len(crops)
    doubtful = [i for i, plate in enumerate(plates) if plate.text_score < DOUBT] if ways else []
    if doubtful:
        again = await model([crop for i in doubtful for crop in other_crops[i * ways : (i + 1) * ways]])
        for place, i in enumerate(doubtful):
            own = slice(place * ways, (place + 1) * ways)
            frames, regions = (
                np.concatenate([first[name][i : i + 1], again[name][own]]) for name in ("characters", "region")
            )
            plates[i] = read_cuts(frames, regions, characters, codes, guidance)
    return plates
