"""Measure the effect of templates and guidance on texts and regions of labelled plate crops.

    python -m training.evaluation.guidance [--data ../shared/data] [--model triton_models/reader/1/model.onnx]

Reads the crops of the val split with ONNX Runtime and writes the table of `docs/regions.md`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from ocr import ctc, region_prior
from ocr.decode import DecodedCrop, read
from ocr.guidance import UNGUIDED, Guidance
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.regions import country, table
from platelane.resources import MODELS
from platelane.vision.model_specs import ModelRepository
from training.common import command
from training.common.onnx_session import session
from training.data.dataset import DEFAULT_DATA, DataPart
from training.evaluation import given_crops, tables
from training.evaluation.labels import readable

_BATCH: Final = 16
_MODELS: Final = ModelRepository(MODELS)


@cache
def _templates() -> region_prior.Templates:
    return region_prior.templates(_MODELS.regions, _MODELS.template_fit_file)


@dataclass(frozen=True, slots=True)
class Crop:
    """A reader's outputs for a plate, and its labels; `text` and `code` are empty if unknown."""

    frames: NDArray[np.float32]
    head: NDArray[np.float32]
    text: str
    code: str

    @property
    def country(self) -> str:
        return country(self.code)

    def read(self, guidance: Guidance = UNGUIDED) -> domain_pb2.Plate:
        crop = DecodedCrop.of(self.frames, self.head, _MODELS.characters, guidance)
        return read([crop], _MODELS.characters, _templates(), guidance)

    def read_without_templates(self) -> tuple[str, str]:
        """Text and region code without templates."""
        best = ctc.beam_search(self.frames)[0].characters
        return "".join(_MODELS.characters[i] for i in best), _MODELS.regions[int(self.head.argmax())]


def outputs(data: Path, model: Path) -> Iterator[Crop]:
    reader = session(model)
    part = DataPart(data, "plates")
    rows = part.rows("val")
    plates = given_crops.rectified(part, rows)
    for start in tqdm(range(0, len(plates), _BATCH), unit="batch"):
        frames, heads = reader.run(["characters", "region"], {"plate": np.stack(plates[start : start + _BATCH])})
        for row, one, head in zip(rows[start : start + _BATCH], frames, heads, strict=True):
            code = row["region"] if row["region"] in table() else ""
            yield Crop(one, head, readable(row["text"], row["region"]), code)


def share(found: list[bool]) -> str:
    return f"{100 * sum(found) / len(found):.1f} % of {len(found)}"


def figures(plates: list[Crop]) -> Iterator[tuple[str, str]]:
    """Rows of the table."""
    texts = [plate for plate in plates if plate.text]
    coded = [plate for plate in plates if plate.code]
    states = [plate for plate in coded if plate.code.startswith("us-")]
    both = [plate for plate in texts if plate.code]
    countries = sorted({country(code) for code in _MODELS.regions})
    chance = random.Random(0)
    others = [chance.choice([code for code in countries if code != plate.country]) for plate in both]

    def guided(codes: list[str], strict: bool = False) -> list[domain_pb2.Plate]:
        wanted = [Guidance.of(stages_pb2.ReadingOptions(regions=[code], strict_region=strict)) for code in codes]
        return [plate.read(guidance) for plate, guidance in zip(both, wanted, strict=True)]

    def right(found: list[domain_pb2.Plate]) -> str:
        return share([each.text == plate.text for each, plate in zip(found, both, strict=True)])

    def region(plate: Crop) -> str:
        return plate.read().regions[0].value

    own, countries_own = [plate.code for plate in both], [plate.country for plate in both]
    yield "exact text, model alone", share([plate.read_without_templates()[0] == plate.text for plate in texts])
    yield "exact text, with templates", share([plate.read().text == plate.text for plate in texts])
    yield "exact text of plates with a region, no guidance", share([plate.read().text == plate.text for plate in both])
    yield "… guided by their region", right(guided(own))
    yield "… guided by their country", right(guided(countries_own))
    yield "… guided by a wrong country", right(guided(others))
    yield "dropped by `strict`, own region", share([not each.text for each in guided(own, True)])
    yield "dropped by `strict`, wrong country", share([not each.text for each in guided(others, True)])
    yield (
        "country, model alone",
        share([country(plate.read_without_templates()[1]) == plate.country for plate in coded]),
    )
    yield "country, with templates", share([country(region(plate)) == plate.country for plate in coded])
    yield "US state, model alone", share([plate.read_without_templates()[1] == plate.code for plate in states])
    yield "US state, with templates", share([region(plate) == plate.code for plate in states])


def main() -> None:
    parser = command.parser("training.evaluation.guidance", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--document", type=Path, default=Path("docs/regions.md"), help="document to write the table to")
    parser.add_argument("--model", type=Path, default=Path("triton_models/reader/1/model.onnx"), help="the reader")
    arguments = parser.parse_args()
    rows = [list(row) for row in figures(list(outputs(arguments.data, arguments.model)))]
    tables.write(arguments.document, results.table(["", ""], rows), "evaluation.guidance")


if __name__ == "__main__":
    command.run(main)
