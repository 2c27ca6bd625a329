"""Measures how often labelled plates fit the templates of their region, by which `ocr.region_prior` weighs texts.

    python -m training.calibration.template_fit [--data ../shared/data]

writes `reader/template_fit.csv` of the model repository from the train split: for each region with templates, how many
different plates are labelled with it, how many of these fit, and the share of other countries' plates that also fit.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Final

from platelane.regions import country, table
from platelane.resources import MODELS
from platelane.vision.model_specs import ModelRepository
from training.common import command
from training.data.dataset import DEFAULT_DATA, any_of
from training.evaluation.labels import readable
from training.reader.samples import FURTHER

_MOST: Final = 60
"""Most plates of one country that count among the others, because the data is not distributed like the world."""


def labelled(data: Path) -> set[tuple[str, str]]:
    """Distinct texts with the codes of their regions."""
    parts = any_of(data, "plates", "photos", *(part for pair in FURTHER for part in pair))
    rows = [row for part in parts for row in part.rows("train")]
    pairs = {(readable(row["text"], row["region"]), row["region"]) for row in rows if row["text"]}
    return {(text, code) for text, code in pairs if text and code and code != "unknown"}


def main() -> None:
    parser = command.parser("training.calibration.template_fit", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--models", type=Path, default=MODELS, help="the model repository that is written to")
    arguments = parser.parse_args()
    plates = labelled(arguments.data)
    countries = Counter(country(code) for _, code in plates)
    with ModelRepository(arguments.models).template_fit_file.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("code", "plates", "fitting", "others"))
        for region in table().values():
            if not region.templates:
                continue
            own = [region.fits(text) for text, code in plates if code == region.code]
            fitting: Counter[str] = Counter()
            for text, code in plates:
                fitting[country(code)] += region.fits(text)
            others = [
                (fitting[other] / count, min(count, _MOST))
                for other, count in countries.items()
                if other != region.country
            ]
            weight = sum(share for _, share in others)
            background = (sum(rate * share for rate, share in others) + 0.5) / (weight + 1)
            rows.writerow((region.code, len(own), sum(own), f"{background:.5f}"))


if __name__ == "__main__":
    command.run(main)
