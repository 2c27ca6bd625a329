"""Train the plate reader and export it.

From a rectified plate, the reader predicts the characters of 80 CTC frames and the plate's region in one pass. Training
has at least two phases: first `python -m training.reader` on real plates, with mild augmentation at the start (with
strong augmentation or drawn plates from the first step, CTC stays on its plateau of blanks), then
`python -m training.reader --initial runs/reader/best.pt --out runs/reader2 --severity 0.5 --synthetic 0.4`. The mean of
both phases' weights reads better than either (Wortsman et al., "Model soups"):
`python -m training.reader --export-only --weights runs/reader/best.pt --weights runs/reader2/last.pt`.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from platelane.regions import country
from platelane.vision.crops import PLATE_SHAPE, rectify_plate
from platelane.vision.geometry import Corners
from platelane.vision.model_specs import FRAMES
from training.common import loop
from training.common.export import export, size_output
from training.data.served_corners import ServedCorners
from training.reader.augment import augmented, jittered
from training.reader.model import Reader, Served
from training.reader.samples import Sample, allowed_regions, group_of, load, load_backgrounds, weights, with_probability
from training.reader.splices import Splices
from training.reader.synthetic import SyntheticPlates
from training.reader.text import BLANK, CHARACTERS, alike, greedy, text_of
from training.synthesis import fonts
from training.synthesis.catalogue import DESIGNS

BATCH = 64
UNKNOWN = -1
BACKGROUND_SHARE = 0.04
"""Share of pictures that are not plates, for which the reader must read nothing."""
BACKGROUND_LENGTH = 7
"""The weight of such a picture in the loss, as a length of text."""
REGION_WEIGHT = 0.15
LOOSENESS = 0.5
SERVED_SHARE = 0.6
"""Share of plates that are cut by the served models' corners, if there are any."""
REGIONS = loop.REPOSITORY / "reader" / "regions.txt"
"""The regions that a reader is trained for, one code per line."""
TEMPERATURES = tuple(float(value) for value in np.geomspace(0.5, 3.0, 25))


@dataclass(frozen=True, slots=True)
class Targets:
    """The concatenated classes of the texts, their lengths (B,), and the regions that the labels allow, BOOL (B, R).

    The length is 0 if there is no plate, and `UNKNOWN` if the text is unknown.
    """

    classes: Tensor
    lengths: Tensor
    regions: Tensor


Batch = tuple[Tensor, Targets]
"""Plates (B, 64, 160, 3) and their targets."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """The schedule of difficulty, which rises between a tenth and six tenths of the time budget.

    The augmentation's severity grows from `severity` to 1, the share of drawn plates from 0 to `synthetic`. A share
    `spliced` of the other plates is spliced from two.
    """

    severity: float
    synthetic: float
    spliced: float = 0.0

    def at(self, share: float) -> Difficulty:
        grown = min(1.0, max(0.0, (share - 0.1) / 0.5))
        return Difficulty(self.severity + (1 - self.severity) * grown, self.synthetic * grown, self.spliced)


class ReaderTask:
    """The reader as a task of the training loop."""

    def __init__(
        self,
        train: Sequence[Sample],
        val: Sequence[Sample],
        backgrounds: Sequence[Sample],
        regions: Sequence[str],
        difficulty: Difficulty,
        splices: Splices,
        batch: int,
        region_weight: float = REGION_WEIGHT,
        frozen: int = 0,
    ) -> None:
        reader = Reader(len(regions))
        self.model: nn.Module = reader
        self.frozen = reader.features[:frozen]
        self.frozen.requires_grad_(False)
        self.train = train
        self.val = val
        self.backgrounds = backgrounds
        self.regions = regions
        self.difficulty = difficulty
        self.splices = splices
        self.batch = batch
        self.region_weight = region_weight
        drawn = (design.region for design in DESIGNS)
        codes = {"", *regions, *drawn, *(sample.region for sample in (*train, *val))}
        self.allowed = {code: allowed_regions(code, regions) for code in codes}

    def batches(self, progress: loop.Progress, random: np.random.Generator) -> Iterator[Batch]:
        chances = weights(self.train)
        drawn = SyntheticPlates.over(self.train)
        while True:
            now = self.difficulty.at(progress.share)
            empty = int(random.binomial(self.batch, BACKGROUND_SHARE)) if self.backgrounds else 0
            count = int(random.binomial(self.batch - empty, now.synthetic))
            chosen = [
                self.splices.sample(i, self.train[i], random) if random.random() < now.spliced else self.train[i]
                for i in random.choice(len(self.train), self.batch - empty - count, p=chances).tolist()
            ]
            chosen += [drawn.sample(now.severity, random) for _ in range(count)]
            chosen += [self.backgrounds[i] for i in random.integers(len(self.backgrounds), size=empty)]
            plates = [
                augmented(one.image, self._corners(one, random), now.severity * random.random(), random)
                for one in chosen
            ]
            yield torch.from_numpy(np.stack(plates)), self.targets(chosen)

    def loss(self, model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        plates, known = batch
        if model is self.model:
            self.frozen.eval()
        characters, regions = model(plates.to(device))
        return text_loss(characters, known.classes.to(device), known.lengths) + self.region_weight * region_loss(
            regions, known.regions.to(device)
        )

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """`figures` with the labelled corners; `loose` is the score with randomly moved corners, `served` that with the
        served models' corners."""
        if not self.val:
            return {}
        others = {
            "loose": self.answers(model, device, LOOSENESS),
            "served": self.answers(model, device, served=True),
        }
        scores = {name: figures(self.val, self.regions, *answers)["score"] for name, answers in others.items()}
        return figures(self.val, self.regions, *self.answers(model, device)) | scores

    def answers(
        self, model: nn.Module, device: torch.device, looseness: float = 0.0, served: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The logits for every validation plate: (N, 80, 37) and (N, R).

        They are cut by their labelled corners, or if `served`, by those of the served models if there are any; moved
        with the augmentation's severity `looseness`.
        """
        random = np.random.default_rng(0)
        characters, regions = [], []
        with torch.inference_mode():
            for start in range(0, len(self.val), BATCH):
                chunk = self.val[start : start + BATCH]
                corners = [one.cuts[-1] if served and one.cuts else one.corners for one in chunk]
                corners = [jittered(four, looseness, random) if looseness else four for four in corners]
                plates = [rectify_plate(one.image, four) for one, four in zip(chunk, corners, strict=True)]
                one, other = model(torch.from_numpy(np.stack(plates)).to(device))
                characters.append(one.float().cpu())
                regions.append(other.float().cpu())
        if not self.val:
            return torch.zeros(0, FRAMES, len(CHARACTERS)), torch.zeros(0, len(self.regions))
        return torch.cat(characters), torch.cat(regions)

    def _corners(self, sample: Sample, random: np.random.Generator) -> Corners:
        """The corners to cut a plate by: the labelled ones, or those of a served model."""
        if not sample.cuts or random.random() >= SERVED_SHARE:
            return sample.corners
        return sample.cuts[random.integers(len(sample.cuts))]

    def targets(self, samples: Sequence[Sample]) -> Targets:
        """The targets of labelled samples."""
        return targets_of(samples, self.allowed)


def targets_of(samples: Sequence[Sample], allowed: Mapping[str, NDArray[np.bool_]]) -> Targets:
    """The targets of labelled samples; `allowed` has the regions (R,) that each region code allows."""
    texts = [sample.classes or () for sample in samples]
    return Targets(
        torch.tensor([index for classes in texts for index in classes]),
        torch.tensor([UNKNOWN if sample.classes is None else len(sample.classes) for sample in samples]),
        torch.from_numpy(np.stack([allowed[sample.region] for sample in samples])),
    )


def text_loss(logits: Tensor, classes: Tensor, lengths: Tensor) -> Tensor:
    """Mean CTC loss per character over the known texts; logits (B, T, 37)."""
    frames = torch.full_like(lengths, logits.shape[1])
    scores = logits.float().log_softmax(dim=-1).transpose(0, 1)
    read = lengths.clamp(min=0)
    losses = nn.functional.ctc_loss(scores, classes, frames, read, BLANK, reduction="none", zero_infinity=True)
    known = (lengths != UNKNOWN).to(losses.device)
    per_character = losses / torch.where(read > 0, read, BACKGROUND_LENGTH).to(losses.device)
    return (per_character * known).sum() / known.sum().clamp(min=1)


def region_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean negative log of the total probability of the allowed regions, over the plates that allow any."""
    scores = logits.float()
    inside = scores.masked_fill(~allowed, -1e4).logsumexp(dim=1)
    known = allowed.any(dim=1)
    return ((scores.logsumexp(dim=1) - inside) * known).sum() / known.sum().clamp(min=1)


def figures(samples: Sequence[Sample], regions: Sequence[str], characters: Tensor, region: Tensor) -> dict[str, float]:
    """Exact match (strict, and with O = 0 and I = 1) by group, and shares of right countries and states.

    `score` is the strict exact match over all clear plates, `cer` the character error rate over all known texts.
    """
    kept: dict[str, list[float]] = defaultdict(list)
    mistakes = length = 0
    for sample, classes, scores in zip(samples, characters.argmax(dim=2).tolist(), region, strict=True):
        if sample.region:
            code = regions[int(scores.argmax())]
            kept["country"].append(country(code) == country(sample.region))
            if sample.region.startswith("us-"):
                kept["us_state"].append(code == sample.region)
        if sample.classes is None:
            continue
        text, read = text_of(sample.classes), greedy(classes)
        mistakes, length = mistakes + Levenshtein.distance(text, read), length + len(text)
        if sample.legible:
            kept["score"].append(text == read)
            kept["alike"].append(alike(text, read))
            kept[f"{group_of(sample.region)}"].append(text == read)
            kept[f"{group_of(sample.region)}_alike"].append(alike(text, read))
    result = {name: float(np.mean(values)) for name, values in sorted(kept.items())}
    return result | {"cer": mistakes / max(1, length)}


def unknown_regions(samples: Sequence[Sample], regions: Sequence[str]) -> str:
    """Labelled regions that the reader does not know, each with its number of plates."""
    counts = Counter(sample.region for sample in samples if sample.region not in ("", "unknown"))
    strange = {code: count for code, count in counts.items() if not allowed_regions(code, regions).any()}
    return ", ".join(f"{code} ({count})" for code, count in sorted(strange.items()))


def temperatures(task: ReaderTask, characters: Tensor, region: Tensor) -> tuple[float, float]:
    """The temperatures of both outputs that maximise the likelihood of the validation labels.

    1 if the optimum is at the edge of the range, which means that too few plates are read wrong to fit anything.
    """
    if not task.val:
        return 1.0, 1.0
    known = task.targets(task.val)
    best = (
        min(TEMPERATURES, key=lambda t: float(text_loss(characters / t, known.classes, known.lengths))),
        min(TEMPERATURES, key=lambda t: float(region_loss(region / t, known.regions))),
    )
    one, other = (1.0 if t in (TEMPERATURES[0], TEMPERATURES[-1]) else t for t in best)
    return one, other


def write(task: ReaderTask, model: Reader, folder: Path) -> Mapping[str, float]:
    """Export the reader with its label files into a folder of the model repository; returns its figures."""
    characters, region = task.answers(model, torch.device("cpu"))
    softer = temperatures(task, characters, region)
    example = torch.zeros((1, *PLATE_SHAPE), dtype=torch.uint8)
    export(Served(model, *softer), example, folder / "1" / "model.onnx", "plate", ("characters", "region"))
    (folder / "characters.txt").write_text("\n".join(("blank", *CHARACTERS[1:])) + "\n", encoding="utf-8")
    (folder / "regions.txt").write_text("\n".join(task.regions) + "\n", encoding="utf-8")
    size_output(folder / "config.pbtxt", "region", len(task.regions))
    return figures(task.val, task.regions, characters, region) | {
        "characters_temperature": softer[0],
        "region_temperature": softer[1],
    }


def main() -> None:
    parser = loop.parser(__doc__, "reader", minutes=45, learning_rate=6e-4)
    parser.add_argument("--severity", type=float, default=0.15, help="initial severity of augmentation, 0 to 1")
    parser.add_argument("--synthetic", type=float, default=0.0, help="final share of drawn plates, 0 to 1")
    parser.add_argument(
        "--spliced", type=float, default=0.0, help="share of the others that are spliced from two; needs --initial"
    )
    parser.add_argument(
        "--served", type=Path, metavar="REPOSITORY", help="also cut plates as its detector and aligner do"
    )
    parser.add_argument("--served-share", type=float, default=1.0, help="share of the plates that are cut like this")
    parser.add_argument(
        "--region-weight", type=float, default=REGION_WEIGHT, help="weight of the region's loss; the text's is 1"
    )
    parser.add_argument(
        "--misread-weight",
        type=float,
        default=1.0,
        help="how much more often plates that --initial misreads are shown",
    )
    parser.add_argument(
        "--frozen",
        type=int,
        default=0,
        help="freeze the first N of 12 layers; with 8, a step takes half the time",
    )
    parser.add_argument("--batch", type=int, default=64, help="plates a step")
    arguments = parser.parse_args()
    chosen = loop.options(arguments)
    if (arguments.spliced or arguments.misread_weight != 1) and not (
        chosen.initial or chosen.resume or chosen.export_only
    ):
        parser.error("--spliced and --misread-weight need a trained reader: --initial FILE")
    device = loop.prepare(chosen)
    task = _task(chosen, arguments, device)
    if not chosen.export_only:
        loop.train(task, chosen, device)
    model = Reader(len(task.regions)).eval()
    loop.load(model, loop.trained(chosen), chosen.out)
    for name, value in write(task, model, chosen.model).items():
        print(f"{name} {value:.4f}")


def _task(chosen: loop.Options, arguments: argparse.Namespace, device: torch.device) -> ReaderTask:
    if arguments.synthetic and not chosen.export_only:
        fonts.require()  # fail now, because drawn plates come late in a run
    regions = REGIONS.read_text(encoding="utf-8").split()
    cutter = ServedCorners.of(arguments.served) if arguments.served else None
    val = load(chosen.data, "val", chosen.exclude_sets, cutter)
    train, backgrounds = [], []
    if not chosen.export_only:
        some = cutter and with_probability(cutter, arguments.served_share, np.random.default_rng(chosen.seed))
        train = load(chosen.data, "train", chosen.exclude_sets, some)
        backgrounds = load_backgrounds(chosen.data, "train", np.random.default_rng(chosen.seed), chosen.exclude_sets)
    if strangers := unknown_regions([*train, *val], regions):
        print(f"not in regions.txt, so these regions are not learnt: {strangers}")
    splices = Splices({}, {})
    if train and (arguments.spliced or arguments.misread_weight != 1):
        reader = Reader(len(regions))
        source = chosen.initial or chosen.out / "last.pt"
        loop.load(reader, loop.blended([source]), source)
        splices = Splices.of(train, reader.to(device))
        train = [
            replace(sample, weight=arguments.misread_weight) if _is_misread(sample, i in splices.aligned) else sample
            for i, sample in enumerate(train)
        ]
    difficulty = Difficulty(arguments.severity, arguments.synthetic, arguments.spliced)
    return ReaderTask(
        train,
        val,
        backgrounds,
        regions,
        difficulty,
        splices,
        batch=arguments.batch,
        region_weight=arguments.region_weight,
        frozen=arguments.frozen,
    )


def _is_misread(sample: Sample, right: bool) -> bool:
    return bool(sample.classes and sample.region and sample.legible and not right)
