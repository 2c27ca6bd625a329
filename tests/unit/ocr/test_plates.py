"""Plates are read again from other crops only if the first reading is doubtful."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ocr.plates import CropReader, Outputs, turned_by_half
from platelane.pb.v1 import domain_pb2
from platelane.regions import automata
from tests.models import templates

CHARACTERS = ("", *automata.ALPHABET)
CODES = ("de", "fr")


def crop(told: str) -> bytes:
    """A crop of which the model reads `<text>:<certainty of each character in percent>`, and after a `/` what it reads
    where the crop is turned by half."""
    return told.ljust(len(told) // 3 * 3 + 3, "_").encode()


def crops(*told: str) -> list[bytes]:
    return [crop(each) for each in told]


class Model:
    """Reads what `crop` makes."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    async def __call__(self, crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        self.asked.append(list(crops))
        return {
            "characters": np.stack([self._frames(*self._told(crop).split(":")) for crop in crops]),
            "region": np.full((len(crops), len(CODES)), 0.5, np.float32),
        }

    @staticmethod
    def _told(crop: bytes) -> str:
        is_upright = crop.endswith(b"_")
        upright, _, turned = (crop if is_upright else turned_by_half(crop)).decode().rstrip("_").partition("/")
        return upright if is_upright else turned or "q:1"

    @staticmethod
    def _frames(text: str, percent: str) -> NDArray[np.float32]:
        frames = np.zeros((20, len(CHARACTERS)), np.float32)
        frames[:, 0] = 1
        for i, character in enumerate(text):
            frames[2 * i, CHARACTERS.index(character)] = float(percent) / 100
            frames[2 * i, 0] = 1 - float(percent) / 100
        return frames


async def plates(
    model: Callable[[Sequence[bytes]], Awaitable[Outputs]], crops: list[bytes], other_crops: list[bytes]
) -> list[domain_pb2.Plate]:
    return await CropReader(model, CHARACTERS, templates(CODES)).read(crops, other_crops)


async def texts(model: Model, crops: list[bytes], other_crops: list[bytes]) -> list[str]:
    return [plate.text for plate in await plates(model, crops, other_crops)]


async def test_the_surer_reading_counts() -> None:
    model = Model()
    assert await texts(model, crops("ab123:70", "cd456:70"), crops("ab128:90", "cd458:60")) == ["ab128", "cd456"]


async def test_a_plate_without_doubt_is_read_once() -> None:
    model = Model()
    assert await texts(model, crops("ab123:99", "cd456:70"), crops("xx999:100", "cd458:90")) == ["ab123", "cd458"]
    assert model.asked == [
        crops("ab123:99", "cd456:70"),
        [*crops("cd458:90"), turned_by_half(crop("cd456:70"))],
    ]


async def test_two_cuts_that_agree_outvote_a_surer_one() -> None:
    others = crops("ab128:80", "ab128:80", "cd456:60", "cd999:70")
    model = Model()
    assert await texts(model, crops("ab123:85", "cd456:70"), others) == ["ab128", "cd456"]
    assert model.asked[1][:4] == others


async def test_what_the_cuts_do_not_agree_on_is_doubted() -> None:
    (agreed,) = await plates(Model(), crops("ab123:90"), crops("ab123:90", "ab123:90"))
    (torn,) = await plates(Model(), crops("ab123:90"), crops("xy999:80", "zz777:80"))
    assert torn.text == agreed.text == "ab123"
    assert torn.text_score < 0.9 * agreed.text_score
    assert len(torn.character_scores) == 5


async def test_there_may_be_no_other_crops() -> None:
    model = Model()
    assert await texts(model, crops("ab123:70"), []) == ["ab123"]
    assert len(model.asked) == 1


async def test_a_message_without_plates_has_none() -> None:
    async def model(crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        return {name: np.zeros((len(crops), 1), np.float32) for name in ("characters", "region")}

    assert await plates(model, [], crops("ab123:70")) == []


async def test_a_plate_that_hangs_upside_down_is_read_turned_from_all_of_its_cuts() -> None:
    model = Model()
    hanging, other = "82lge:70/ab128:95", "82lge:60/ab123:99"
    assert await texts(model, crops(hanging, "cd456:70"), crops(other, other, "cd456:80", "cd456:80")) == [
        "ab123",
        "cd456",
    ]
    assert model.asked[2] == [turned_by_half(crop(other))] * 2


@pytest.mark.parametrize("turned", ["gh789:70", "gh789:80", "gh789:45"])
async def test_a_plate_that_is_hardly_surer_turned_hangs_as_it_is(turned: str) -> None:
    model = Model()
    assert await texts(model, crops(f"ab123:70/{turned}"), crops("ab123:70")) == ["ab123"]
    assert len(model.asked) == 2


def test_half_a_turn_keeps_the_channels() -> None:
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    assert turned_by_half(image.tobytes()) == image[::-1, ::-1].tobytes()
