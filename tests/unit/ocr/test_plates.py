"""Plates are read again, cut other ways, where the first reading leaves a doubt, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocr.plates import read_plates
from platelane import patterns
from platelane.pb.v1 import domain_pb2

CHARACTERS = ("", *patterns.ALPHABET)
CODES = ("de", "fr")


class Model:
    """Reads a crop that says `<text>:<certainty of each character in percent>`."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    async def __call__(self, crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        self.asked.append(list(crops))
        return {
            "characters": np.stack([self._frames(*crop.decode().split(":")) for crop in crops]),
            "region": np.full((len(crops), len(CODES)), 0.5, np.float32),
        }

    @staticmethod
    def _frames(text: str, percent: str) -> NDArray[np.float32]:
        frames = np.zeros((20, len(CHARACTERS)), np.float32)
        frames[:, 0] = 1
        for i, character in enumerate(text):
            frames[2 * i, CHARACTERS.index(character)] = float(percent) / 100
            frames[2 * i, 0] = 1 - float(percent) / 100
        return frames


async def texts(model: Model, crops: list[bytes], other_crops: list[bytes]) -> list[str]:
    plates: list[domain_pb2.Plate] = await read_plates(model, crops, other_crops, CHARACTERS, CODES)
    return [plate.text for plate in plates]


async def test_the_surer_reading_counts() -> None:
    model = Model()
    assert await texts(model, [b"ab123:70", b"cd456:70"], [b"ab128:90", b"cd458:60"]) == ["ab128", "cd456"]


async def test_a_plate_without_doubt_is_read_once() -> None:
    model = Model()
    assert await texts(model, [b"ab123:99", b"cd456:70"], [b"xx999:100", b"cd458:90"]) == ["ab123", "cd458"]
    assert model.asked == [[b"ab123:99", b"cd456:70"], [b"cd458:90"]]


async def test_two_cuts_that_agree_outvote_a_surer_one() -> None:
    others = [b"ab128:80", b"ab128:80", b"cd456:60", b"cd999:70"]
    model = Model()
    assert await texts(model, [b"ab123:85", b"cd456:70"], others) == ["ab128", "cd456"]
    assert model.asked[1] == others


async def test_what_the_cuts_do_not_agree_on_is_doubted() -> None:
    (agreed,) = await read_plates(Model(), [b"ab123:90"], [b"ab123:90", b"ab123:90"], CHARACTERS, CODES)
    (torn,) = await read_plates(Model(), [b"ab123:90"], [b"xy999:80", b"zz777:80"], CHARACTERS, CODES)
    assert torn.text == agreed.text == "ab123"
    assert torn.text_score < 0.9 * agreed.text_score
    assert len(torn.character_scores) == 5


async def test_there_may_be_no_other_crops() -> None:
    model = Model()
    assert await texts(model, [b"ab123:70"], []) == ["ab123"]
    assert len(model.asked) == 1


async def test_a_message_without_plates_has_none() -> None:
    async def model(crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        return {name: np.zeros((len(crops), 1), np.float32) for name in ("characters", "region")}

    assert await read_plates(model, [], [b"ab123:70"], CHARACTERS, CODES) == []
