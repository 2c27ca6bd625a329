from __future__ import annotations

import threading

import numpy as np
import pytest

from ocr.guidance import Guidance
from ocr.handler import Reader
from platelane.errors import BadRequest
from platelane.pb.v1.stages_pb2 import PlateCrops, PlatesPart, ReadingOptions
from platelane.vision.model_specs import FRAMES
from tests.models import SHIPPED, templates
from tests.stages import Models, Outputs, Published, context, info

TEMPLATES = templates()


def reading(text: str, certainty: float) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Frames that say `text`, each character with that certainty, and no opinion about the region."""
    frames = np.zeros((FRAMES, len(SHIPPED.characters)), np.float32)
    frames[:, 0] = 1
    for i, character in enumerate(text):
        frames[2 * i, SHIPPED.characters.index(character)] = certainty
        frames[2 * i, 0] = 1 - certainty
    return {"characters": frames, "region": np.full(len(SHIPPED.regions), 1 / len(SHIPPED.regions), np.float32)}


def says(text: str, certainty: float = 0.999) -> Models:
    """A reader to which every plate says the same."""

    def answer(count: int) -> Outputs:
        return {name: np.stack([value] * count) for name, value in reading(text, certainty).items()}

    return Models({"reader": answer})


async def read(models: Models, crops: PlateCrops) -> PlatesPart:
    bus = Published()
    await Reader(bus, models, SHIPPED, TEMPLATES)(crops, info())
    [(subject, part)] = bus.messages
    assert subject == "platelane.parts.job.plates"
    assert isinstance(part, PlatesPart)
    return part


async def test_all_plates_of_a_job_are_read_in_one_request() -> None:
    models = says("ab12cde")
    part = await read(models, PlateCrops(context=context(), crops=[b"1", b"2"], other_crops=[b"3", b"4"]))
    assert [plate.text for plate in part.plates] == ["ab12cde"] * 2
    assert models.calls == [("reader", 2)]


async def test_a_doubtful_plate_is_read_from_its_other_crops_too_and_upside_down() -> None:
    models = says("ab12cde", 0.8)
    await read(models, PlateCrops(context=context(), crops=[b"123"], other_crops=[b"234", b"345"]))
    assert models.calls == [("reader", 1), ("reader", 3)]


async def test_the_callers_options_guide_the_reading() -> None:
    options = ReadingOptions(text_formats=["[a-z]{3}[0-9]{4}"], strict_region=True)
    part = await read(says("ab12cde"), PlateCrops(context=context(), options=options, crops=[b"1"]))
    assert part.plates[0].text == ""


@pytest.mark.parametrize("options", [{"regions": ["fr"]}, {"text_formats": ["[a-z]{2}[0-9]{3}[a-z]{2}"]}])
async def test_automata_are_made_off_the_loop(options: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def of(options: ReadingOptions) -> Guidance:
        threads.append(threading.get_ident())
        return guidance(options)

    guidance = Guidance.of
    monkeypatch.setattr(Guidance, "of", of)
    wanted = ReadingOptions(**options)  # type: ignore[arg-type]
    await read(says("ab12cde"), PlateCrops(context=context(), options=wanted, crops=[b"1"]))
    assert threading.get_ident() not in threads
    assert len(threads) == 1


async def test_a_format_that_cannot_be_used_is_the_callers_error() -> None:
    crops = PlateCrops(context=context(), options=ReadingOptions(text_formats=["("]), crops=[b"1"])
    with pytest.raises(BadRequest, match="text_formats"):
        await read(says("ab12cde"), crops)
