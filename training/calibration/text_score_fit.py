"""Calibrates the score of a text, so that it is the share of such texts that are read exactly.

    python -m training.calibration.text_score_fit [--data ../shared/data]

reads the plates of the half of the validation split that neither training nor the choice of weights has seen, and fits
a function from the reader's confidence to the share of such texts that are right (Platt 1999). It writes the function
to `reader/text_score.json` of the model repository, and its calibration error by set to `docs/models.md`, measured by
cross-validation: the texts are divided in two halves, and the scores of each come from a fit on the other.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import results
from ocr import region_prior
from ocr.decode import DecodedCrop, read
from platelane.resources import MODELS
from platelane.text_score import TextScore
from platelane.vision.model_specs import ModelRepository
from training.calibration.score_fit import logit, regression
from training.common import command
from training.common.onnx_session import session
from training.data.dataset import DEFAULT_DATA, DataPart, in_unseen_half
from training.evaluation import given_crops, tables
from training.evaluation.labels import readable

PARTS = ("plates", "plates_more")
SMALL = 20
"""Sets with fewer plates are combined."""
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Scored:
    """A reading: the plate's set, its true text, the reader's confidence, and whether the reading is right."""

    set: str
    text: str
    confidence: float
    right: bool


def scored(data: Path, models: ModelRepository, model: Path) -> Iterator[Scored]:
    """The reader's readings of the unseen half."""
    reader = session(model)
    templates = region_prior.templates(models.regions, models.template_fit_file)
    for name in PARTS:
        part = DataPart(data, name)
        if not part.is_there:
            continue
        rows = [row for row in part.rows("val") if in_unseen_half([row]) and row["legibility"] != "hard"]
        rows = [row for row in rows if readable(row["text"], row["region"])]
        plates = given_crops.rectified(part, rows)
        for start in tqdm(range(0, len(plates), _BATCH), name, unit="batch"):
            frames, heads = reader.run(["characters", "region"], {"plate": np.stack(plates[start : start + _BATCH])})
            for row, one, head in zip(rows[start : start + _BATCH], frames, heads, strict=True):
                text = readable(row["text"], row["region"])
                crop = DecodedCrop.of(one, head, models.characters)
                plate = read([crop], models.characters, templates)
                if plate.text:
                    yield Scored(row["set"], text, plate.text_score, plate.text == text)


def fitted(plates: Sequence[Scored]) -> TextScore:
    slope, offset = regression(
        logit([plate.confidence for plate in plates])[:, None], [plate.right for plate in plates]
    )
    return TextScore(round(max(float(slope), 0.01), 3), round(float(offset), 3))


def cross_validated(plates: Sequence[Scored]) -> list[tuple[Scored, float]]:
    """Each plate with its score from a fit on plates with other texts."""
    sides: dict[int, list[Scored]] = defaultdict(list)
    for plate in plates:
        sides[hashlib.sha256(f"fold {plate.text}".encode()).digest()[0] % 2].append(plate)
    if len(sides) < 2:
        return [(plate, plate.confidence) for plate in plates]
    fits = {side: fitted(sides[1 - side]) for side in sides}
    return [(plate, fits[side].of(plate.confidence)) for side, members in sides.items() for plate in members]


def calibration_error(pairs: Sequence[tuple[Scored, float]]) -> float:
    """Expected calibration error over ten bins of the score."""
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for plate, score in pairs:
        bins[min(9, int(score * 10))].append((score, plate.right))
    return sum(abs(sum(score - right for score, right in members)) for members in bins.values()) / len(pairs)


def table(pairs: Sequence[tuple[Scored, float]]) -> str:
    """Mean score and share read exactly, by set; sets of few plates are combined."""
    counts: dict[str, int] = defaultdict(int)
    for plate, _ in pairs:
        counts[plate.set] += 1
    groups: dict[str, list[tuple[Scored, float]]] = defaultdict(list)
    for plate, score in pairs:
        groups["all"].append((plate, score))
        groups[plate.set if counts[plate.set] >= SMALL else "small sets"].append((plate, score))
    rows = [
        [
            name,
            str(len(members)),
            f"{np.mean([score for _, score in members]):.3f}",
            f"{np.mean([plate.confidence for plate, _ in members]):.3f}",
            f"{np.mean([plate.right for plate, _ in members]):.3f}",
            f"{calibration_error(members):.3f}",
        ]
        for name, members in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    return results.table(["", "plates", "mean score", "confidence", "read exactly", "calibration error"], rows)


def main() -> None:
    parser = command.parser("training.calibration.text_score_fit", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--models", type=Path, default=MODELS, help="the model repository that is written to")
    parser.add_argument("--model", default="model.int8.onnx", help="the reader's file in it")
    parser.add_argument("--document", type=Path, default=Path("docs/models.md"), help="where the table goes")
    arguments = parser.parse_args()
    models = ModelRepository(arguments.models)
    plates = list(scored(arguments.data, models, arguments.models / "reader" / "1" / arguments.model))
    found = fitted(plates)
    models.text_score_file.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    print(f"{models.text_score_file}: {found}")
    tables.write(arguments.document, table(cross_validated(plates)), "calibration.text_score_fit")


if __name__ == "__main__":
    command.run(main)
