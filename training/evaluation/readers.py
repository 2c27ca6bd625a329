"""Compare readers by set, on the half of the validation split that is used to choose between weights.

    python -m training.evaluation.readers --reader before=training/checkpoints/reader.pt \\
        --reader mixed=2*training/checkpoints/reader.pt+3*runs/reader/last.pt

prints, for the plates of each set, the shares of texts and regions that each reader gets right (greedy decoding, FP32).
With `--served triton_models`, plates are cut as the served detector and aligner find them, which takes a tenth of a
second each. Readers are compared with the first one: sets that lose more than `--guard` points are marked.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import results
from platelane.regions import country
from platelane.vision.crops import rectify_plate
from training.common import command
from training.data.dataset import DEFAULT_DATA, DataPart
from training.data.served_corners import ServedCorners
from training.evaluation.mixture import Mixture
from training.reader.model import Reader
from training.reader.samples import Sample, group_of, of_part
from training.reader.text import greedy, text_of
from training.reader.train import REGIONS

PARTS = ("plates", "photos", "plates_more", "photos_more")
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a reader got a plate right; None if it is not labelled, or hard to read."""

    exact: bool | None
    country: bool | None
    state: bool | None


def plates(data: Path, models: Path | None) -> list[Sample]:
    """The plates, with the part in the name of the set; cut by the served models if these find them."""
    cutter = ServedCorners.of(models) if models else None
    found = []
    for name in PARTS:
        part = DataPart(data, name)
        if part.is_there:
            found += [replace(one, set=f"{name}: {one.set}") for one in of_part(part, "val", cutter=cutter)]
    return [replace(one, corners=one.cuts[-1]) if one.cuts else one for one in found]


def outcomes(reader: Reader, samples: Sequence[Sample], regions: Sequence[str]) -> list[Outcome]:
    result = []
    for start in range(0, len(samples), _BATCH):
        chunk = samples[start : start + _BATCH]
        crops = np.stack([rectify_plate(one.image, one.corners) for one in chunk])
        with torch.inference_mode():
            characters, region = reader(torch.from_numpy(crops))
        best = zip(chunk, characters.argmax(dim=2).tolist(), region.argmax(dim=1).tolist(), strict=True)
        for one, classes, place in best:
            code = regions[place]
            known = one.classes is not None and one.legible
            result.append(
                Outcome(
                    text_of(one.classes or ()) == greedy(classes) if known else None,
                    country(code) == country(one.region) if one.region else None,
                    code == one.region if one.region.startswith("us-") else None,
                )
            )
    return result


def table(samples: Sequence[Sample], found: Mapping[str, Sequence[Outcome]], guard: float) -> str:
    """Rows by set and by group of regions; those in which a reader is worse than the first are marked."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(samples):
        for kind in ("exact", "country", "state"):
            if getattr(next(iter(found.values()))[i], kind) is None:
                continue
            part = one.set.partition(":")[0]
            kinds[f"{kind}, all of {part}"].append(i)
            if kind == "exact":
                kinds[f"set {one.set}"].append(i)
                kinds[f"region {group_of(one.region) if one.region else 'unknown'}, {part}"].append(i)
    rows = []
    for name, members in sorted(kinds.items()):
        kind = name.partition(",")[0] if name.partition(",")[0] in ("exact", "country", "state") else "exact"
        shares = [100 * float(np.mean([getattr(each[i], kind) for i in members])) for each in found.values()]
        shown = [f"{share:.1f}{' !' if share < shares[0] - guard else ''}" for share in shares]
        rows.append([name, str(len(members)), *shown])
    return results.table(["", "plates", *found], rows)


def main() -> None:
    parser = command.parser("training.evaluation.readers", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--served", type=Path, help="repository whose detector and aligner cut the plates")
    parser.add_argument("--reader", type=Mixture.parse, action="append", required=True, help="NAME=PARTS*FILE+…")
    parser.add_argument("--guard", type=float, default=0.5, help="points that a set may lose")
    parser.add_argument("--cache", type=Path, help="keeps the cut plates in this file between runs")
    arguments = parser.parse_args()
    regions = REGIONS.read_text(encoding="utf-8").split()
    if arguments.cache and arguments.cache.exists():
        samples = pickle.loads(arguments.cache.read_bytes())
    else:
        samples = plates(arguments.data, arguments.served)
        if arguments.cache:
            arguments.cache.write_bytes(pickle.dumps(samples))
    torch.set_num_threads(1)
    found = {}
    for mixture in arguments.reader:
        reader = Reader(len(regions)).eval()
        reader.load_state_dict(mixture.weights())
        found[mixture.name] = outcomes(reader, samples, regions)
    print(table(samples, found, arguments.guard))


if __name__ == "__main__":
    command.run(main)
