"""The measured figures as Markdown tables, put between two marks of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from training.evaluation import figures
from training.evaluation.figures import Reading
from training.evaluation.given_crops import DescribedCrop, ReadCrop
from training.evaluation.labels import VEHICLE_CLASSES, PlateLabel
from training.evaluation.matching import FoundPlate, Matched

BEGIN: Final = "<!-- measured by `python -m training.evaluate`: begin -->"
END: Final = "<!-- measured: end -->"

THRESHOLD_TEXT: Final = 0.6
"""`threshold_o` unless a request says otherwise."""
MIN_SIDE: Final = 48
MIN_GROUP: Final = 5
_EUROPE: Final = frozenset(
    [
        *("al", "at", "ba", "be", "bg", "by", "ch", "cy", "cz", "de", "dk", "ee", "es", "fi", "fr", "gb", "ge", "gr"),
        *("hr", "hu", "ie", "is", "it", "lt", "lu", "lv", "mc", "md", "me", "mk", "mt", "nl", "no", "pl", "pt", "ro"),
        *("rs", "ru", "se", "si", "sk", "ua", "xk"),
    ]
)


def write(path: Path, text: str) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: the document does not have them.
    """
    document = path.read_text(encoding="utf-8")
    if BEGIN not in document or END not in document:
        raise ValueError(f"{path} has no marks to write between")
    before, after = document.split(BEGIN)[0], document.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}", encoding="utf-8")


def end_to_end(photos: Sequence[Matched]) -> str:
    """Detection and reading through the API."""
    plates = figures.plate_detection(photos)
    vehicles = figures.vehicle_detection(photos, MIN_SIDE)
    detection = [
        ["plates", str(plates.count), percent(plates.recall), percent(plates.precision)],
        [f"vehicles over {MIN_SIDE} px", str(vehicles.count), percent(vehicles.recall), percent(vehicles.precision)],
    ]
    for kind in VEHICLE_CLASSES:
        found = figures.vehicle_detection(photos, MIN_SIDE, kind)
        detection.append([f"… {kind}", str(found.count), percent(found.recall), "-"])
    for name, group in figures.grouped(photos, lambda matched: matched.photo.set).items():
        found = figures.plate_detection(group)
        if found.count:
            detection.append([f"plates in {name}", str(found.count), percent(found.recall), percent(found.precision)])
    readings = [(label, found) for matched in photos for label, found in matched.plates if label.text]
    clear = [pair for pair in readings if pair[0].legibility == "clear"]
    by_set = {m.photo.file: m.photo.set for m in photos}
    labelled = [(by_set[m.photo.file], label, found) for m in photos for label, found in m.plates if label.text]
    rows = [reading_row("all clear plates", _readings(clear))]
    rows += [
        reading_row(f"legibility {name or 'not judged'}", _readings(group))
        for name, group in figures.grouped(readings, lambda pair: pair[0].legibility).items()
    ]
    rows += [
        reading_row(f"set {name}", _readings([(label, found) for _, label, found in group]))
        for name, group in figures.grouped(labelled, lambda entry: entry[0]).items()
    ]
    rows += [
        reading_row(name, _readings(group))
        for name, group in figures.grouped(clear, lambda pair: area(pair[0].region)).items()
        if len(group) >= MIN_GROUP
    ]
    kept = [(found.score, found.texts[0] == label.text) for label, found in readings if found]
    judged = [matched for matched in photos if matched.photo.all_plates]
    dscores = [(found.dscore, True) for m in judged for _, found in m.plates if found]
    dscores += [(found.dscore, False) for matched in judged for found in matched.extra_plates]
    return "\n\n".join(
        [
            "### Detection, through the API, IoU 0.5",
            table(["", "labelled", "recall", "precision"], detection),
            "Where vehicles are not labelled exhaustively, finds without a label do not count as false.",
            "### Reading, through the API",
            table(_READING_HEADER, rows),
            "Strict exact match; “O = 0, I = 1” takes these pairs as equal. A plate that is not found, or whose score "
            f"is under `threshold_o` {THRESHOLD_TEXT}, counts as wrong.",
            "### What the scores mean",
            table(["`score`", "plates", "mean score", "read exactly"], _bins(kept, (0, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0))),
            table(["`dscore`", "finds", "mean dscore", "are plates"], _bins(dscores, (0.2, 0.3, 0.4, 0.6, 0.8, 1.0))),
        ]
    )


def plate_crops(crops: Sequence[ReadCrop]) -> str:
    """The reader by itself."""
    known = [crop for crop in crops if crop.text]
    clear = [crop for crop in known if crop.legibility == "clear"]

    def readings(group: Iterable[ReadCrop]) -> list[Reading]:
        return [Reading(crop.text, tuple(entry.value for entry in crop.plate.candidates)) for crop in group]

    rows = [reading_row("all clear plates", readings(clear))]
    rows += [
        reading_row(f"set {name}", readings(group))
        for name, group in figures.grouped(clear, lambda crop: crop.set).items()
    ]
    rows += [
        reading_row(name, readings(group))
        for name, group in figures.grouped(clear, lambda crop: area(crop.region)).items()
        if len(group) >= MIN_GROUP
    ]
    regions = [
        (crop.region, [entry.value for entry in crop.plate.regions])
        for crop in crops
        if crop.region and crop.region != "unknown"
    ]
    countries = [(_country(label), [_country(code) for code in found]) for label, found in regions]
    states = [(label, found) for label, found in regions if label.startswith("us-")]
    region_rows = [
        [
            name,
            str(figures.accuracy(pairs)[0]),
            percent(figures.accuracy(pairs)[1]),
            percent(figures.accuracy(pairs, 3)[1]),
        ]
        for name, pairs in (("country", countries), ("US state", states), ("exact code", regions))
    ]
    return "\n\n".join(
        [
            "### Reading of given crops",
            table(_READING_HEADER, rows),
            "### Region of given crops",
            table(["", "plates", "top 1", "top 3"], region_rows),
        ]
    )


def vehicle_crops(crops: Sequence[DescribedCrop]) -> str:
    """The attribute model by itself."""
    rows = []
    for name, column, attribute in (
        ("type", "type", "types"),
        ("colour", "color", "colors"),
        ("orientation", "orientation", "orientations"),
    ):
        pairs = [
            (crop.row[column], [entry.value for entry in getattr(crop.vehicle, attribute)])
            for crop in crops
            if crop.row[column] and crop.row[column].lower() != "unknown"
        ]
        rows.append(_accuracy_row(name, pairs))
    made = [crop for crop in crops if crop.row["make"]]
    rows.append(_accuracy_row("make", [(c.row["make"], [m.make for m in c.vehicle.make_models]) for c in made]))
    rows.append(
        _accuracy_row(
            "make and model",
            [((c.row["make"], c.row["model"]), [(m.make, m.model) for m in c.vehicle.make_models]) for c in made],
        )
    )
    return "\n\n".join(["### Attributes of given crops", table(["", "vehicles", "top 1", "top 3"], rows)])


def area(region: str) -> str:
    """Groups that a reader of the tables asks about."""
    if region == "us" or region.startswith("us-"):
        return "United States"
    if region in _EUROPE:
        return "Europe"
    return _country(region) or "region not labelled"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


_READING_HEADER: Final = ("", "plates", "exact match", "O = 0, I = 1", "among first 3", "CER")


def reading_row(name: str, readings: Sequence[Reading]) -> list[str]:
    found = figures.reading_figures(readings)
    shares = (found.exact, found.alike, found.top3, found.cer)
    return [name, str(found.count), *(percent(share) for share in shares)]


def _readings(pairs: Iterable[tuple[PlateLabel, FoundPlate | None]]) -> list[Reading]:
    return [
        Reading(label.text, found.texts if found and found.score >= THRESHOLD_TEXT else ()) for label, found in pairs
    ]


def _bins(scored: Sequence[tuple[float, bool]], edges: Sequence[float]) -> list[list[str]]:
    return [
        [f"{entry.low:g} to {entry.high:g}", str(entry.count), f"{entry.mean:.2f}", percent(entry.right)]
        for entry in figures.reliability(scored, edges)
    ]


def _accuracy_row(name: str, pairs: Sequence[tuple[object, Sequence[object]]]) -> list[str]:
    count, first = figures.accuracy(pairs)
    return [name, str(count), percent(first), percent(figures.accuracy(pairs, 3)[1])]


def _country(region: str) -> str:
    return region.partition("-")[0]
