"""Rows of a list of plates. All are checked before anything else happens, and all faults are reported together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from platelane.regions import country, named, table, templates
from platelane.vision.geometry import Box
from platelane.webhooks.wildcards import is_pattern
from training.common.errors import DataError
from training.learn.folder import REGIONS_FILE, Folder, PictureList
from training.learn.table import SIDES, Line

LONGEST: Final = 16
"""Most characters of a text."""
_SEPARATORS: Final = re.compile(r"[\s.\-_·•:/|,'\"]+")
_NUMBER: Final = re.compile(r"\d([.,]\d+)?e\+\d+", re.IGNORECASE)
"""Matches texts that Excel has converted to numbers; 63E793 is a plate."""
_SIGNED: Final = r"-?\d+(?:\.\d+)?"
_LOOKALIKES: Final = (("0", "o"), ("1", "i"), ("8", "b"), ("5", "s"), ("2", "z"), ("0", "d"), ("0", "q"))
_SHOWN: Final = 40
"""Most faults to print; of the rest, only the number."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row; `doubtful` if the row may still be right."""

    place: str
    text: str
    doubtful: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class PlateRow:
    """A usable row. `text` is lower case, `region` empty if unknown, `box` in pixels."""

    place: str
    file: str
    text: str
    region: str = ""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """The regions that a reader knows, and new ones, which are lines of the folder's regions.txt."""

    known: tuple[str, ...]
    new: tuple[str, ...] = ()

    @classmethod
    def of(cls, known: Sequence[str], folder: Folder) -> Codes:
        """Raises DataError for an invalid new code."""
        asked = [code for code in folder.names(REGIONS_FILE) if code not in known]
        wrong = [code for code in asked if not re.fullmatch(r"[a-z]{2}(-[a-z0-9]{1,4})?", code)]
        if wrong:
            raise DataError(f"{REGIONS_FILE}: {wrong[0]!r} is not a region code such as `om` or `us-ca`, in lower case")
        return cls(tuple(known), tuple(dict.fromkeys(asked)))

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.known, *self.new)

    def allows(self, code: str) -> bool:
        """Whether the code is one of them, or the country of one."""
        return code in self.all or any(country(each) == code for each in self.all)

    def suggestion(self, code: str) -> str:
        """A similar code, after `did you mean`; if there is none, how to add a region."""
        low = code.strip().lower().replace("_", "-")
        names = {region.name.lower(): each for each, region in table().items()}
        meant = [low, *(region.code for region in named(low)), names.get(low, "")]
        meant += get_close_matches(low, self.all, 1, 0.7) + [names[n] for n in get_close_matches(low, names, 1, 0.75)]
        for each in meant:
            if self.allows(each):
                return f"did you mean `{each}`?"
        return f"to add a region, write its code on a line of {REGIONS_FILE} beside the list"


def plate_rows(
    folder: Folder, listed: PictureList, codes: Codes, region: str = ""
) -> tuple[list[PlateRow], list[Fault]]:
    """The usable rows, and the faults of the others; `region` is for rows without one.

    Raises:
        DataError: the list lacks a required column, or has no rows.
    """
    if listed.name and not {"file", "text"} <= listed.columns:
        missing = " and ".join(f"`{name}`" for name in ("file", "text") if name not in listed.columns)
        raise DataError(f"{listed.name}:1: no column {missing}; a list has the columns file, text[, region][, box]")
    if not listed.lines:
        what = f"{listed.name} has no rows" if listed.name else f"{folder.path} has no pictures"
        raise DataError(f"{what}: pictures and a CSV file `file, text` are needed, or pictures named by their texts")
    rows: list[PlateRow] = []
    faults: list[Fault] = []
    seen: dict[tuple[str, str], str] = {}
    problems: dict[str, str] = {}
    for line in listed.lines:
        place = listed.place(line)
        text, wrong = checked_text(line["text"])
        code, unknown = _checked_region(line, codes, region)
        file, missing = checked_file(folder, line["file"], problems)
        box, unclear = checked_box(line)
        said = [each for each in (missing, wrong, unknown, unclear) if each]
        if not said and file:
            first = seen.setdefault((file, text), place)
            if first != place and box is None:
                said.append(f"the same picture and text as {first}")
        faults += [Fault(place, each) for each in said]
        if said or file is None:
            continue
        doubt = template_mismatch(text, code)
        if doubt:
            faults.append(Fault(place, doubt, doubtful=True))
        rows.append(PlateRow(place, file, text, code, box))
    return rows, faults


def checked_text(written: str) -> tuple[str, str]:
    """A plate's text in lower case, without separators and accents; and what is wrong with it."""
    if not written:
        return "", "no text"
    if _NUMBER.fullmatch(written):
        return "", f"Excel has converted the text to a number ({written}): format the column as text and enter it again"
    if is_pattern(written):
        return "", f"{written!r} is incomplete: leave out rows whose text is not fully legible"
    folded = "".join(c for c in unicodedata.normalize("NFKD", written) if not unicodedata.combining(c))
    text = _SEPARATORS.sub("", folded).lower()
    odd = "".join(dict.fromkeys(c for c in text if not (c.isascii() and c.isalnum())))
    if odd:
        return "", f"{written!r} contains {odd!r}: write the text with A-Z and 0-9 only"
    if not text or len(text) > LONGEST:
        return "", f"{written!r} has {len(text)} characters; a plate's text has 1 to {LONGEST}"
    return text, ""


def template_mismatch(text: str, region: str) -> str:
    """Why a text is unlikely in a region; empty if it fits a template, or the region has none.

    Regions with vanity plates accept any text.
    """
    place = table().get(region)
    whole = table().get(country(region))
    if place is None or place.vanity or (whole is not None and whole.vanity):
        return ""
    shapes = [re.compile(each) for each in templates((region,))]
    if not shapes or any(shape.fullmatch(text) for shape in shapes):
        return ""
    meant = next((other for other in _lookalikes(text) if any(shape.fullmatch(other) for shape in shapes)), "")
    ask = f": did you mean {meant.upper()}?" if meant else ""
    return f"{text.upper()} fits no template of `{region}` ({place.name}){ask}"


def checked_box(line: Line) -> tuple[Box | None, str]:
    """The box of a row, from one column or four; and what is wrong with it."""
    written = line["box"] or " ".join(filter(None, (line[side] for side in SIDES)))
    if not written:
        return None, ""
    parts = re.split(r"[\s;]+", written.strip("()[]{} "))
    # four parts are numbers with a decimal point or comma; otherwise commas are separators
    numbers = (
        [part.rstrip(",").replace(",", ".") for part in parts] if len(parts) == 4 else re.findall(_SIGNED, written)
    )
    if len(numbers) != 4 or not all(re.fullmatch(_SIGNED, number) for number in numbers):
        return None, f"the box {written!r} is not `xmin ymin xmax ymax` in pixels"
    box = Box(*map(float, numbers))
    if not (0 <= box.xmin < box.xmax and 0 <= box.ymin < box.ymax):
        return None, f"the box {written!r} is empty or outside the picture: it is `xmin ymin xmax ymax` in pixels"
    return box, ""


def describe_faults(faults: Sequence[Fault]) -> str:
    """The first `_SHOWN` faults, one per line, and the number of the rest."""
    lines = [str(fault) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"... and {len(faults) - _SHOWN} more")
    return "\n".join(lines)


def checked_file(folder: Folder, name: str, problems: dict[str, str]) -> tuple[str | None, str]:
    """The file that a row refers to, and what is wrong with it; `problems` caches checks of files."""
    if not name:
        return None, "no file"
    file = folder.found(name)
    if file is None:
        close = get_close_matches(name.lower(), [each.lower() for each in folder.pictures], 1, 0.75)
        ask = f": did you mean {folder.files[close[0]]}?" if close else ""
        return None, f"there is no picture {name}{ask}"
    if file not in problems:
        problems[file] = folder.problem(file)
    return file, f"{file}: {problems[file]}" if problems[file] else ""


def _checked_region(line: Line, codes: Codes, otherwise: str) -> tuple[str, str]:
    written = line["region"]
    if not written and codes.allows(line["folder"]):
        return line["folder"], ""
    if not written or written.lower() == "unknown":
        return otherwise, ""
    if codes.allows(written):
        return written, ""
    return "", f"no region {written!r}: {codes.suggestion(written)}"


def _lookalikes(text: str) -> Iterable[str]:
    """The text with one character, or all of the same character, replaced by a similar-looking one."""
    for a, b in (*_LOOKALIKES, *((b, a) for a, b in _LOOKALIKES)):
        if a in text:
            yield text.replace(a, b)
            yield from (text[:i] + b + text[i + 1 :] for i, c in enumerate(text) if c == a)
