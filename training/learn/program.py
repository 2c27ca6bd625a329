"""`platelane learn`: turns a folder of pictures into a measured model folder, and prints the command that serves it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from tqdm import tqdm

from ocr import region_prior
from platelane.pb.v1 import domain_pb2
from platelane.regions import country
from training.calibration.quantize import write_quantised
from training.common.errors import DataError
from training.common.export import export, size_output
from training.learn import attributes, guard, output, report
from training.learn.figures import DRAWN, OWN, Figures, Truth, allowed_loss
from training.learn.folder import Folder
from training.learn.options import NotImproved, Options, run_options, train_until_stopped
from training.learn.own import OwnPlate, found_plates, halved, split
from training.learn.reader import BLENDS, OwnPlatesTask, StartingPoint, answers, blended, crops, softened
from training.learn.rows import Codes, Fault, PlateRow, describe_faults, plate_rows
from training.learn.served import Models
from training.reader.model import Served
from training.reader.samples import Sample
from training.synthesis import fonts

FEWEST: Final = 12
"""The fewest plates to learn from."""
FEW: Final = 50
"""Fewer plates than this lead to a warning."""
RATE: Final = 5e-4
QUANTISED_ON: Final = 250
"""The model is quantised on this many views of own plates, and as many drawn ones."""
PROBED_VIEWS: Final = 2
"""Views of each own plate that a new region's initial weights are fitted to."""
PROBED_ON: Final = 400
"""Drawn plates of other regions, fitted to as well."""
LIST: Final = "plates.csv"


@dataclass(frozen=True, slots=True)
class Set:
    """Plates that are measured together."""

    name: str
    samples: Sequence[Sample]

    @property
    def truths(self) -> list[Truth]:
        return [Truth(guard.text(sample), sample.region) for sample in self.samples]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights to choose from: a blend with `share` of what was learnt."""

    share: float
    figures: Mapping[str, Figures]

    def merit(self) -> float:
        """A figure to rank by: own plates count twice as much as others."""
        own, *others = self.figures.values()
        regions = 0.0 if own.regions != own.regions else own.regions
        return 2 * own.texts + 0.5 * regions + sum(other.texts for other in others) / max(1, len(others))


def learn(options: Options, console: Console) -> Path:
    """Train, measure and write a new model folder; returns its path.

    Raises:
        TrainingError: what has to be corrected, or why nothing was gained.
    """
    if options.attributes:
        return attributes.learn(options, console)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    models = Models(options.models)
    folder = Folder(options.folder)
    codes = Codes.of(models.specs.regions, folder)
    rows = checked(folder, codes, options, console)
    guarded = [(path, _guard_rows(Folder(path), codes, options)) for path in options.guards]
    plates = _found(folder, rows, models, console)
    train, held = split(plates)
    if len(plates) < FEWEST or not held:
        raise DataError(
            f"{len(plates)} plates with {len({p.row.text for p in plates})} texts are too few: at least {FEWEST}"
        )
    texts = len({plate.row.text for plate in plates})
    console.print(f"{len(plates)} plates, {texts} texts: {len(train)} to learn from, {len(held)} held back to measure")
    if len(plates) < FEW:
        console.print(f"With fewer than {FEW} plates, little is learnt, and the figures are uncertain.", style="yellow")
    shown, measured = _guards(options, guarded, models, console)
    sets = [Set(OWN, [plate.sample for plate in held]), *measured]

    regions = codes.all
    own = frozenset(country(plate.row.region) for plate in plates if plate.row.region)
    before = {each.name: _served_figures(models, each, own) for each in sets}
    start = StartingPoint.of(options.models / "reader" / "1" / output.MODEL, codes.known, codes.new)
    if codes.new:
        others = guard.drawn_plates(PROBED_ON, seed=guard.SEED + 2)
        start = start.probed([*PROBED_VIEWS * [plate.sample for plate in train], *others], np.random.default_rng(0))
    models.release()
    task = OwnPlatesTask(start, [plate.sample for plate in train], shown)
    target = output.new_folder(options.out, options.folder.stem)
    try:
        learnt = train_until_stopped(task, run_options(options, target, RATE, device), device, console)
        console.print("Comparing blends of the learnt and the served weights")
        prior = region_prior.templates(regions, models.specs.template_fit_file)
        served, *candidates = _candidates(start, learnt, sets, models, prior, own, device)
        console.print(report.blends({each.share: each.figures for each in (served, *candidates)}))
        for chosen in _best_candidates(candidates, served.figures, options):
            after, read = _exported(chosen, start, learnt, target / "models", options, sets, train, own)
            lost = losses(before, after)
            if not lost or options.accept_loss:
                break
            console.print(f"{report.percent(chosen.share)} of it loses too much once quantised: {'; '.join(lost)}")
            shutil.rmtree(target / "models")
        else:
            raise NotImproved(
                "Every blend, once quantised, loses more than a point on other plates: " + "; ".join(lost)
            )
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    shutil.rmtree(target / "run", ignore_errors=True)
    _report(target, chosen, before, after, read, held, models, options, console)
    return target


def checked(folder: Folder, codes: Codes, options: Options, console: Console) -> list[PlateRow]:
    """The rows of the list. Raises DataError, which lists all faults."""
    if options.region and not codes.allows(options.region):
        raise DataError(f"--region {options.region}: {codes.suggestion(options.region)}")
    rows, faults = plate_rows(folder, folder.listed(LIST), codes, options.region)
    doubtful = {fault.place for fault in faults if fault.doubtful}
    stopping = [fault for fault in faults if not (fault.doubtful and options.accept_texts)]
    if stopping and not options.skip_faulty:
        hints = ["--skip-faulty leaves out these rows"]
        if any(fault.doubtful for fault in stopping):
            hints.append("--accept-texts accepts texts that fit no template")
        count = _counted(stopping)
        raise DataError(
            f"{count} in {options.folder}; nothing was started:\n{describe_faults(stopping)}\n{', '.join(hints)}."
        )
    if stopping:
        console.print(
            f"{len({fault.place for fault in stopping})} rows are left out:\n{describe_faults(stopping)}",
            style="yellow",
        )
    return [row for row in rows if options.accept_texts or row.place not in doubtful]


def losses(before: report.Sets, after: report.Sets) -> list[str]:
    """What other plates lose beyond `allowed_loss`, one phrase each."""
    found = []
    for name, old in list(before.items())[1:]:
        new = after[name]
        most = allowed_loss(old.plates)
        changes = {
            "points fewer texts right": old.texts - new.texts,
            "points fewer regions right": old.regions - new.regions,
            "points more calibration error": new.off - old.off,
        }
        found += [f"{name}: {100 * lost:.1f} {what}" for what, lost in changes.items() if lost > most]
    return found


def _found(folder: Folder, rows: Sequence[PlateRow], models: Models, console: Console) -> list[OwnPlate]:
    plates, faults = found_plates(folder, rows, models)
    if faults:
        console.print(f"{len(faults)} plates cannot be used:\n{describe_faults(faults)}", style="yellow", markup=False)
    return plates


def _guard_rows(folder: Folder, codes: Codes, options: Options) -> list[PlateRow]:
    """Raises DataError, which lists all faults; texts that fit no template are accepted."""
    rows, faults = plate_rows(folder, folder.listed(LIST), codes)
    wrong = [fault for fault in faults if not fault.doubtful]
    if wrong and not options.skip_faulty:
        raise DataError(f"{_counted(wrong)} in {folder.path}; nothing was started:\n{describe_faults(wrong)}")
    return rows


def _counted(faults: Sequence[Fault]) -> str:
    return f"{len(faults)} faults" if len(faults) > 1 else "One fault"


def _guards(
    options: Options, guarded: Sequence[tuple[Path, Sequence[PlateRow]]], models: Models, console: Console
) -> tuple[list[Sample], list[Set]]:
    """Plates to train on, which must still be read as now, and sets to measure on."""
    if not fonts.complete():
        fonts.substitute()
        console.print(
            "The plate fonts are not installed, so plates are drawn in plain fonts. `make learn` fetches them, or: "
            + fonts.INSTALL,
            style="yellow",
            markup=False,
        )
    shown: list[Sample] = []
    sets = [Set(DRAWN, guard.drawn_plates(options.guard_plates))]
    for path, rows in guarded:
        plates = _found(Folder(path), rows, models, console)
        if not plates:
            raise DataError(f"no plates were found in the pictures of {path}")
        some, others = halved(plates)
        shown += [plate.sample for plate in some]
        sets.append(Set(str(path), [plate.sample for plate in others]))
    return shown, sets


def _served_figures(models: Models, each: Set, own: frozenset[str]) -> Figures:
    return Figures.of(each.truths, models.read(models.run("reader", crops(each.samples))), own)


def _candidates(
    start: StartingPoint,
    learnt: dict[str, torch.Tensor],
    sets: Sequence[Set],
    models: Models,
    prior: region_prior.Templates,
    own: frozenset[str],
    device: torch.device,
) -> list[Candidate]:
    """The served weights, and every blend with them; all in full precision, so that only the training differs."""
    found = []
    for share in tqdm((0.0, *BLENDS), "blends", unit="blend", dynamic_ncols=True, disable=None):
        network = start.network(blended(start.weights, learnt, share)).to(device)
        figures = {}
        for each in sets:
            soft = softened(answers(network, each.samples, device), start.temperatures)
            figures[each.name] = Figures.of(each.truths, models.read_by(*soft, prior), own)
        found.append(Candidate(share, figures))
    return found


def _best_candidates(candidates: Sequence[Candidate], before: report.Sets, options: Options) -> list[Candidate]:
    """The candidates that gain something without losing too much on other plates, best first; at least one.

    Raises:
        NotImproved: none gains anything, or all that do lose too much.
    """
    gaining = [each for each in candidates if own_gain(each.figures, before) > 0]
    if not gaining:
        raise NotImproved("Nothing was gained: the served model reads your held-back plates just as well.")
    cheap = [each for each in gaining if not losses(before, each.figures)]
    if cheap:
        return sorted(cheap, key=Candidate.merit, reverse=True)
    best = max(gaining, key=Candidate.merit)
    if options.accept_loss:
        return [best]
    raise NotImproved(
        "Other plates lose more than a point, so nothing is written. They lose less with more pictures or fewer "
        "--minutes; --accept-loss writes the model anyway. " + "; ".join(losses(before, best.figures))
    )


def own_gain(after: report.Sets, before: report.Sets) -> float:
    """The gain on own plates: in texts, or if they are equal, in regions."""
    old, new = next(iter(before.values())), next(iter(after.values()))
    regions = 0.0 if new.regions != new.regions else new.regions - old.regions
    return (new.texts - old.texts) or regions


def _exported(
    chosen: Candidate,
    start: StartingPoint,
    learnt: dict[str, torch.Tensor],
    repository: Path,
    options: Options,
    sets: Sequence[Set],
    train: Sequence[OwnPlate],
    own: frozenset[str],
) -> tuple[dict[str, Figures], list[domain_pb2.Plate]]:
    """Write the folder; returns the figures of the files as served, and the readings of the own plates."""
    output.copied(options.models, repository)
    reader = repository / "reader"
    network = Served(start.network(blended(start.weights, learnt, chosen.share)), *start.temperatures)
    example = torch.zeros((1, 64, 160, 3), dtype=torch.uint8)
    export(network, example, reader / "1" / output.MODEL, "plate", ("characters", "region"))
    (reader / "regions.txt").write_text("\n".join(start.regions) + "\n", encoding="utf-8")
    size_output(reader / "config.pbtxt", "region", len(start.regions))
    output.separate_engine_cache(reader)
    drawn = guard.drawn_plates(QUANTISED_ON, seed=guard.SEED + 1)  # not the plates that are measured on
    views = [*crops([plate.sample for plate in train[:QUANTISED_ON]]), *crops(drawn)]
    write_quantised("reader", reader / "1", views)
    served = Models(repository)
    read = {each.name: served.read(served.run("reader", crops(each.samples))) for each in sets}
    return {each.name: Figures.of(each.truths, read[each.name], own) for each in sets}, read[OWN]


def _report(
    target: Path,
    chosen: Candidate,
    before: report.Sets,
    after: report.Sets,
    read: Sequence[domain_pb2.Plate],
    held: Sequence[OwnPlate],
    models: Models,
    options: Options,
    console: Console,
) -> None:
    earlier = models.read(models.run("reader", crops([plate.sample for plate in held])))
    misses = [
        report.Miss(
            plate.row.file,
            plate.row.text,
            old.text,
            new.text,
            report.enlarged(plate.sample.image, plate.sample.corners),
        )
        for plate, old, new in zip(held, earlier, read, strict=True)
        if new.text != plate.row.text
    ]
    lines = output.commands(target / "models", target.name)
    title = f"{target.name}: {100 * chosen.share:.0f} % of what was learnt from {options.folder.name}"
    report.page(target / "report.html", title, before, after, misses, [f"{w}: {a}   back: {b}" for w, a, b in lines])
    summary = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "from": str(options.folder),
        "started_from": str(options.models),
        "share_of_what_was_learnt": chosen.share,
        "before": {name: asdict(figures) for name, figures in before.items()},
        "after": {name: asdict(figures) for name, figures in after.items()},
    }
    (target / "figures.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    console.print(report.table(before, after))
    console.print(f"{len(misses)} held-back plates are still wrong: {target / 'report.html'}", soft_wrap=True)
    output.print_commands(target, console)
