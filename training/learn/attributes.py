"""`platelane learn --attributes`: learns makes, models, colours and types from your own labelled pictures.

Vehicles cannot be drawn as plates can, so the pictures of `--guard` show what must not get worse: the model keeps its
answers about them. Half of them are trained on, the other half measure it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from tqdm import tqdm

from platelane.errors import BadImage
from platelane.vision.crops import VEHICLE_SHAPE, Image, crop_vehicle
from platelane.vision.geometry import Box
from training.attributes.augment import varied
from training.attributes.data import SMALLEST_VEHICLE, crop_wide
from training.attributes.labels import HEADS, Labels, MakeModel, Target, any_of, one_of
from training.attributes.model import Calibration, Network, Served, set_losses
from training.calibration.quantize import write_quantised
from training.common import loop
from training.common.errors import DataError
from training.common.export import export, size_output
from training.common.folded import Weights, folded, softening, verified, weights_of
from training.common.onnx_session import session
from training.learn import output, probe
from training.learn.figures import allowed_loss
from training.learn.folder import Folder
from training.learn.options import NotImproved, Options, run_options, train_until_stopped
from training.learn.reader import BLENDS, blended
from training.learn.rows import Fault, describe_faults
from training.learn.served import Models
from training.learn.vehicle_rows import Model, Names, VehicleRow, vehicle_rows

LIST: Final = "vehicles.csv"
BATCH: Final = 32
OTHERS: Final = 0.5
"""Share of a batch for other vehicles, if there are any."""
KEPT: Final = 1.0
"""Weight of the loss that keeps the served answers where nothing is labelled; labels have a weight of 1."""
SURE: Final = 0.6
"""Least probability of a served answer that must not change, as served and in full precision."""
FEWEST: Final = 8
RATE: Final = 4e-4
NEW_MODEL: Final = 4.0
"""By how much the logit of a new model starts below the mean of the others."""
MODELS_LAYER: Final = "heads.3"
PROBED_VIEWS: Final = 4
"""Views of each vehicle that a new model's initial weights are fitted to."""
MOST_A_PICTURE: Final = 4
HELD_BACK: Final = 4
"""One vehicle in this many is held back to measure on."""
QUANTISED_ON: Final = 300


@dataclass(frozen=True, slots=True)
class OwnVehicle:
    """A vehicle with its pixels: as served, and wider to train on. `targets` by head; those of guards are empty."""

    file: str
    served: Image
    wide: Image
    targets: Mapping[str, Target]


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares, 0 to 1, of labels answered correctly, by head, with their number; and of served answers kept."""

    right: Mapping[str, float]
    labelled: Mapping[str, int]
    kept: float
    answers: int


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """The served model, prepared for training."""

    labels: Labels
    new: int
    """How many of the models, the last ones, are new."""
    weights: Weights
    calibrations: Mapping[str, Calibration]

    @classmethod
    def of(cls, file: Path, names: Names) -> StartingPoint:
        """Raises CheckpointError if the file holds another network."""
        known = _labels(names.models)
        weights = weights_of(file, folded(Network(known.sizes)), "network")
        softer = softening(file)
        calibrations = {head: Calibration(softer[head][0], softer[head][1]) for head in HEADS}
        added = len(names.new)
        for name in (f"{MODELS_LAYER}.weight", f"{MODELS_LAYER}.bias"):
            value = weights[name]
            mean = value.mean(dim=0, keepdim=True) - (NEW_MODEL if name.endswith("bias") else 0.0)
            weights[name] = torch.cat((value, mean.expand(added, *value.shape[1:])))
        offsets = calibrations["make_model"].offsets
        if offsets:
            calibrations["make_model"] = replace(calibrations["make_model"], offsets=(*offsets, *(0.0,) * added))
        labels = _labels(names.all_models)
        filled = {
            head: replace(each, offsets=each.offsets or (0.0,) * labels.sizes[head])
            for head, each in calibrations.items()
        }
        result = cls(labels, added, weights, filled)
        if not added:
            verified(Served(result.network(), filled), file, torch.zeros((2, *VEHICLE_SHAPE), dtype=torch.uint8))
        return result

    def probed(
        self, own: Sequence[OwnVehicle], others: Sequence[OwnVehicle], random: np.random.Generator
    ) -> StartingPoint:
        """With the new models' weights fitted to own vehicles and to others, which are none of these models."""
        height, width = VEHICLE_SHAPE[:2]
        vehicles = [*own, *others] * PROBED_VIEWS
        views = [varied(one.wide, height, width, random, any_color=False) for one in vehicles]
        batches = (
            torch.from_numpy(np.stack(views[i : i + BATCH])).permute(0, 3, 1, 2).float()
            for i in range(0, len(views), BATCH)
        )
        allowed = np.stack([one.targets["make_model"].admissible > 0 for one in vehicles])
        allowed[allowed.all(axis=1), -self.new :] = False
        seen = probe.inputs_of(MODELS_LAYER, self.network(), batches)
        fitted = probe.probed(MODELS_LAYER, self.weights, self.new, seen, torch.from_numpy(allowed))
        return replace(self, weights=fitted)

    def network(self, weights: Weights | None = None) -> nn.Module:
        """Only the last stage and the heads are trained; the features of earlier stages are general."""
        model = folded(Network(self.labels.sizes)).eval()
        model.load_state_dict(weights or self.weights)
        for name, value in model.named_parameters():
            value.requires_grad_(name.startswith(("coarse.", "heads.")))
        return model


@dataclass(frozen=True, slots=True)
class Batch:
    images: Tensor
    admissible: Mapping[str, Tensor]
    smoothing: Mapping[str, Tensor]


class OwnVehiclesTask:
    """A `training.common.loop.Task` on own vehicles and others; unlabelled heads keep their served answers."""

    def __init__(self, start: StartingPoint, own: Sequence[OwnVehicle], others: Sequence[OwnVehicle]) -> None:
        self.model: nn.Module = start.network()
        self.served: nn.Module = start.network()
        self.own, self.others = own, others

    def batches(
        self,
        progress: loop.Progress,  # noqa: ARG002 - as hard from the first step on
        random: np.random.Generator,
    ) -> Iterator[Batch]:
        height, width = VEHICLE_SHAPE[:2]
        while True:
            count = int(random.binomial(BATCH, OTHERS)) if self.others else 0
            chosen = [self.own[i] for i in random.integers(len(self.own), size=BATCH - count)]
            chosen += [self.others[i] for i in random.integers(len(self.others), size=count)] if count else []
            images = np.stack([varied(one.wide, height, width, random, any_color=False) for one in chosen])
            yield Batch(
                torch.from_numpy(images),
                {h: torch.from_numpy(np.stack([one.targets[h].admissible for one in chosen])) for h in HEADS},
                {h: torch.tensor([one.targets[h].smoothing for one in chosen], dtype=torch.float32) for h in HEADS},
            )

    def loss(self, model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        images = batch.images.to(device).permute(0, 3, 1, 2).float()
        self.served.to(device)
        with torch.no_grad():
            before = self.served(images)
        now = model(images)
        total = torch.zeros((), device=device)
        for head in HEADS:
            admissible, smoothing = batch.admissible[head].to(device), batch.smoothing[head].to(device)
            known = ~admissible.all(dim=1) | (smoothing > 0)
            labelled = set_losses(now[head], admissible, smoothing)
            target = torch.softmax(before[head], dim=1)
            kept = -(target * torch.log_softmax(now[head], dim=1)).sum(dim=1)
            total = total + torch.where(known, labelled, KEPT * kept).mean()
        return total

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:  # noqa: ARG002
        """Nothing: the weights are chosen among blends after the training."""
        return {}


def learn(options: Options, console: Console) -> Path:
    """Train, measure and write a new model folder; returns its path.

    Raises:
        TrainingError: what has to be corrected, or why nothing was gained.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models = Models(options.models)
    folder = Folder(options.folder)
    names = Names.of(models.specs.attribute_labels, folder)
    rows = _checked(folder, names, options, console)
    start = StartingPoint.of(options.models / "attributes" / "1" / output.MODEL, names)
    own = _own(folder, rows, start.labels, models, console)
    held, train = own[::HELD_BACK], [one for i, one in enumerate(own) if i % HELD_BACK]
    if len(own) < FEWEST:
        raise DataError(f"{len(own)} vehicles are too few: at least {FEWEST}")
    console.print(f"{len(own)} vehicles: {len(train)} to learn from, {len(held)} held back to measure")
    others = _others(options.guards, start.labels, models)
    teaching, guard = others[::2], others[1::2]
    if not guard and not options.accept_loss:
        raise NotImproved(
            "Nothing shows whether other vehicles get worse. Add --guard FOLDER with pictures of any other vehicles "
            "(no list needed), or --accept-loss to go without."
        )

    models.release()
    if names.new:
        start = start.probed(train, teaching, np.random.default_rng(0))
    task = OwnVehiclesTask(start, train, teaching)
    target = output.new_folder(options.out, options.folder.stem)
    try:
        learnt = train_until_stopped(task, run_options(options, target, RATE, device), device, console)
        views = [one.served for one in (*held, *guard)]
        served = ServedAnswers(_answers(models, views), _exact_answers(options.models, views))
        before = _figures(served, served.answers, held, start.labels)
        chosen = _chosen(start, learnt, held, guard, served, before, options)
        shown = _calibration_views([*train, *others], np.random.default_rng(0))
        after, missed = _exported(chosen, start, learnt, target / "models", options, held, guard, served, shown)
        if not _harmless(after) and not options.accept_loss:
            raise NotImproved(_costs(after))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    shutil.rmtree(target / "run", ignore_errors=True)
    _report(target, chosen, before, after, missed, options, console)
    return target


def _checked(folder: Folder, names: Names, options: Options, console: Console) -> list[VehicleRow]:
    rows, faults = vehicle_rows(folder, folder.listed(LIST), names)
    if faults and not options.skip_faulty:
        raise DataError(
            f"{len(faults)} faults in {folder.path}; nothing was started:\n{describe_faults(faults)}\n"
            "--skip-faulty leaves out these rows."
        )
    if faults:
        console.print(f"{len({f.place for f in faults})} rows are left out:\n{describe_faults(faults)}", style="yellow")
    return rows


def _labels(models: Sequence[Model]) -> Labels:
    return Labels(tuple(MakeModel(each.make, each.model, each.first_year, each.last_year) for each in models))


def _targets(row: VehicleRow, labels: Labels) -> dict[str, Target]:
    known = labels.targets({"type": row.type, "color": row.color, "orientation": row.orientation})
    if not row.make:
        return known | {"make_model": one_of([""] * len(labels.models), "")}
    meant = [f"{m.make}\t{m.model}" for m in labels.models if m.make == row.make and row.model in ("", m.model)]
    return known | {"make_model": any_of([f"{m.make}\t{m.model}" for m in labels.models], meant)}


def _own(
    folder: Folder, rows: Sequence[VehicleRow], labels: Labels, models: Models, console: Console
) -> list[OwnVehicle]:
    """The vehicle of every row, in an order independent of the list's."""
    found: list[OwnVehicle] = []
    faults: list[Fault] = []
    for row in tqdm(rows, "finding vehicles", unit="picture", dynamic_ncols=True, disable=None):
        try:
            image = folder.picture(row.file)
        except BadImage as error:
            faults.append(Fault(row.place, f"{row.file}: {error.detail}"))
            continue
        found.append(_vehicle(row.file, image, _meant(image, row, models), _targets(row, labels)))
    if faults:
        console.print(
            f"{len(faults)} pictures cannot be used:\n{describe_faults(faults)}", style="yellow", markup=False
        )
    return sorted(found, key=lambda one: hashlib.sha256(one.file.encode()).digest())


def _meant(image: Image, row: VehicleRow, models: Models) -> Box:
    """The row's box, or that of the largest vehicle; the whole picture if none is found."""
    height, width = image.shape[:2]
    if row.box:
        return row.box.clipped(width, height)
    vehicles = models.find(image).vehicles
    return max((one.box for one in vehicles), key=lambda box: box.area, default=Box(0, 0, width, height))


def _others(guards: Sequence[Path], labels: Labels, models: Models) -> list[OwnVehicle]:
    unknown = {head: one_of([""] * size, "") for head, size in labels.sizes.items()}
    found = []
    for path in guards:
        folder = Folder(path)
        names = folder.pictures
        if not names:
            raise DataError(f"{path} has no pictures")
        for name in tqdm(names, "finding other vehicles", unit="picture", dynamic_ncols=True, disable=None):
            if folder.problem(name):
                continue
            image = folder.picture(name)
            boxes = [one.box for one in models.find(image).vehicles if one.box.width >= SMALLEST_VEHICLE]
            found += [_vehicle(f"{path}/{name}", image, box, unknown) for box in boxes[:MOST_A_PICTURE]]
    return sorted(found, key=lambda one: hashlib.sha256(one.file.encode()).digest())


def _vehicle(file: str, image: Image, box: Box, targets: Mapping[str, Target]) -> OwnVehicle:
    return OwnVehicle(file, crop_vehicle(image, box), crop_wide(image, box), targets)


Heads = Mapping[str, NDArray[np.float32]]
"""Probabilities (N, classes) by head."""


@dataclass(frozen=True, slots=True)
class ServedAnswers:
    """What is answered before: by the file that is served here, and in full precision."""

    answers: Heads
    exact: Heads

    def sure(self, head: str) -> NDArray[np.intp]:
        """The class (N) that both answer with a probability of at least `SURE`; -1 if there is none.

        Answers that quantisation alone changes say nothing about what was learnt.
        """
        served, exact = self.answers[head], self.exact[head]
        best = served.argmax(axis=1)
        both = (exact.argmax(axis=1) == best) & (np.minimum(served.max(axis=1), exact.max(axis=1)) >= SURE)
        return np.where(both, best, -1)


def _answers(models: Models, views: Sequence[Image]) -> Heads:
    return models.run("attributes", np.stack(views))


def _exact_answers(repository: Path, views: Sequence[Image]) -> Heads:
    file = session(repository / "attributes" / "1" / output.MODEL)
    return dict(zip(HEADS, file.run(HEADS, {file.get_inputs()[0].name: np.stack(views)}), strict=True))


def _figures(served: ServedAnswers, after: Heads, held: Sequence[OwnVehicle], labels: Labels) -> Figures:
    """The figures of answers, first for the held-back vehicles, then for the others."""
    right: dict[str, list[bool]] = defaultdict(list)
    kept: list[bool] = []
    for head in labels.sizes:
        for i, (old, new) in enumerate(zip(served.sure(head), after[head].argmax(axis=1), strict=True)):
            target = held[i].targets[head] if i < len(held) else None
            if target is not None and not target.admissible.all():
                right[head].append(bool(target.admissible[int(new)]))
            elif old >= 0:
                kept.append(bool(old == new))
    shares = {head: float(np.mean(values)) for head, values in right.items()}
    counts = {head: len(values) for head, values in right.items()}
    return Figures(shares, counts, float(np.mean(kept)) if kept else 1.0, len(kept))


def _chosen(
    start: StartingPoint,
    learnt: Weights,
    held: Sequence[OwnVehicle],
    guard: Sequence[OwnVehicle],
    served: ServedAnswers,
    before: Figures,
    options: Options,
) -> float:
    """The blend with the best figures among those that change few enough answers about other vehicles."""
    views = torch.from_numpy(np.stack([one.served for one in (*held, *guard)]))
    tried: dict[float, Figures] = {}
    for share in (0.0, *BLENDS) if start.new else BLENDS:  # for new models, the initial weights may suffice
        weights = blended(start.weights, learnt, share)
        model = Served(start.network(weights), start.calibrations).eval()
        with torch.inference_mode():
            parts = [model(views[i : i + BATCH]) for i in range(0, len(views), BATCH)]
        heads = {head: torch.cat(part).numpy() for head, part in zip(HEADS, zip(*parts, strict=True), strict=True)}
        tried[share] = _figures(served, heads, held, start.labels)
    gaining = {share: each for share, each in tried.items() if _mean(each) > _mean(before)}
    if not gaining:
        raise NotImproved("Nothing was gained: the served model describes your held-back vehicles just as well.")
    allowed = {share: each for share, each in gaining.items() if _harmless(each)} or (
        gaining if options.accept_loss else {}
    )
    if not allowed:
        raise NotImproved(_costs(max(gaining.values(), key=lambda each: each.kept)))
    return max(allowed, key=lambda share: 2 * _mean(allowed[share]) + allowed[share].kept)


def _calibration_views(vehicles: Sequence[OwnVehicle], random: np.random.Generator) -> list[Image]:
    """`QUANTISED_ON` views, varied ones where there are fewer vehicles: the ranges of a few alike are too narrow."""
    height, width = VEHICLE_SHAPE[:2]
    views = [one.served for one in vehicles][:QUANTISED_ON]
    more = (vehicles[i] for i in random.integers(len(vehicles), size=QUANTISED_ON - len(views)))
    return [*views, *(varied(one.wide, height, width, random, any_color=False) for one in more)]


def _harmless(figures: Figures) -> bool:
    return 1 - figures.kept <= allowed_loss(figures.answers)


def _mean(figures: Figures) -> float:
    return float(np.mean(list(figures.right.values()))) if figures.right else 0.0


def _costs(figures: Figures) -> str:
    changed = f"{100 * (1 - figures.kept):.1f} % of {figures.answers} sure answers about other vehicles"
    return (
        f"The trained model changes {changed}, so nothing is written. Fewer change with more pictures of others "
        "(--guard) or fewer --minutes; --accept-loss writes the model anyway."
    )


def _exported(
    share: float,
    start: StartingPoint,
    learnt: Weights,
    repository: Path,
    options: Options,
    held: Sequence[OwnVehicle],
    guard: Sequence[OwnVehicle],
    served: ServedAnswers,
    shown: Sequence[Image],
) -> tuple[Figures, list[str]]:
    """Write the folder, quantised on the views `shown`; returns the figures of the files as served, and the held-back
    pictures still wrong."""
    output.copied(options.models, repository)
    folder = repository / "attributes"
    network = Served(start.network(blended(start.weights, learnt, share)), start.calibrations)
    example = torch.zeros((1, *VEHICLE_SHAPE), dtype=torch.uint8)
    export(network, example, folder / "1" / output.MODEL, "vehicle", HEADS)
    start.labels.write(folder)
    for head, size in start.labels.sizes.items():
        size_output(folder / "config.pbtxt", head, size)
    output.separate_engine_cache(folder)
    write_quantised("attributes", folder / "1", shown)
    answers = _answers(Models(repository), [one.served for one in (*held, *guard)])
    wrong = [
        f"{one.file}: {head}"
        for head in HEADS
        for one, answer in zip(held, answers[head], strict=False)
        if not one.targets[head].admissible[int(answer.argmax())]
    ]
    return _figures(served, answers, held, start.labels), wrong


def _report(
    target: Path,
    share: float,
    before: Figures,
    after: Figures,
    missed: Sequence[str],
    options: Options,
    console: Console,
) -> None:
    summary = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "from": str(options.folder),
        "started_from": str(options.models),
        "share_of_what_was_learnt": share,
        "before": asdict(before),
        "after": asdict(after),
        "still_wrong": list(missed),
    }
    (target / "figures.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    table = Table("your vehicles, held back", "number", "right before", "right after")
    for head, right in before.right.items():
        table.add_row(head, str(before.labelled[head]), f"{100 * right:.1f} %", f"{100 * after.right[head]:.1f} %")
    console.print(table)
    console.print(f"Other vehicles: {100 * after.kept:.1f} % of {after.answers} sure answers stay as they were.")
    console.print(f"{len(missed)} answers are still wrong: {target / 'figures.json'}", soft_wrap=True)
    output.print_commands(target, console)
