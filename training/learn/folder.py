"""Where one's own pictures are: a folder or a zip, with a list of what they show or with texts as file names."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from platelane.errors import BadImage
from platelane.vision import decoding, header
from platelane.vision.crops import Image
from training.common.errors import DataError
from training.learn.table import Line, Table

ENDINGS: Final = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".pnm",
        ".ppm",
        ".pgm",
        ".heic",
        ".heif",
        ".avif",
    )
)
MOST_FILES: Final = 200_000
MOST_BYTES: Final = 64 << 20
"""Of one picture."""
MOST_PIXELS: Final = 50_000_000
REGIONS_FILE: Final = "regions.txt"
MODELS_FILE: Final = "makes.txt"
_COUNTER: Final = re.compile(r"(?:_.*| ?\(\d+\))$")
"""What tells pictures of one plate apart in their names: `AB123_2.jpg`, `AB123 (2).jpg`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows, and where they are written: `name` is the list's file, or empty where the file names are the list."""

    name: str
    columns: frozenset[str]
    lines: tuple[Line, ...]

    def place(self, line: Line) -> str:
        """As an error names it."""
        return f"{self.name}:{line.number}" if self.name else line["file"]


@dataclass(frozen=True)
class Folder:
    """The pictures of a folder with all folders in it, or of a zip.

    Raises:
        DataError: from the methods, where it is neither, or holds too much.
    """

    path: Path
    _archive: list[zipfile.ZipFile] = field(default_factory=list, repr=False, compare=False)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Every file's name, relative and with `/`, by its name in lower case."""
        if self.path.is_dir():
            found = []
            for file in self.path.rglob("*"):
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(self.path).parts):
                    found.append(file.relative_to(self.path).as_posix())
                if len(found) > MOST_FILES:
                    raise DataError(f"{self.path} has more than {MOST_FILES} files")
        elif zipfile.is_zipfile(self.path):
            found = [entry.filename for entry in self._zip.infolist() if not entry.is_dir()]
        else:
            what = "is neither a folder nor a zip" if self.path.exists() else "is not there"
            raise DataError(f"{self.path} {what}")
        if len(found) > MOST_FILES:
            raise DataError(f"{self.path} has more than {MOST_FILES} files")
        return {name.lower(): name for name in sorted(found)}

    @property
    def pictures(self) -> list[str]:
        return [name for name in self.files.values() if PurePosixPath(name).suffix.lower() in ENDINGS]

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """A file's bytes; at most so many."""
        size = self._zip.getinfo(name).file_size if self.path.is_file() else (self.path / name).stat().st_size
        if size > most:
            raise DataError(f"{name} has {size >> 20} MB; at most {most >> 20} are read")
        return self._zip.read(name) if self.path.is_file() else (self.path / name).read_bytes()

    def problem(self, name: str) -> str:
        """Why a picture cannot be used, without decoding it; empty for one that can."""
        try:
            header.probe(self.read(name), MOST_PIXELS)
        except BadImage as error:
            return error.detail.replace("The uploaded file", "The file")
        except DataError as error:
            return str(error)
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            return f"it cannot be read: {error}"
        return ""

    def picture(self, name: str) -> Image:
        """Decoded as the server does.

        Raises:
            BadImage: broken or cut off.
        """
        return decoding.decode(self.read(name)).image

    def listed(self, preferred: str) -> Listed:
        """The list of the folder: `preferred`, or the only CSV file; without one, the pictures' own names.

        A name is the plate's text up to `_` or ` (`, and the folder that a picture is in its region where it is a
        region's code. Raises DataError for several lists.
        """
        tables = [name for name in self.files.values() if name.lower().endswith(".csv")]
        chosen = [name for name in tables if PurePosixPath(name).name.lower() == preferred] or tables
        if len(chosen) > 1:
            raise DataError(f"{self.path} has several lists ({', '.join(chosen[:5])}): call the right one {preferred}")
        if chosen:
            table = Table.of(self.read(chosen[0]), chosen[0])
            inside = PurePosixPath(chosen[0]).parent
            return Listed(chosen[0], table.columns, tuple(_under(inside, line) for line in table.lines))
        lines = [Line(0, _of_name(PurePosixPath(name))) for name in self.pictures]
        return Listed("", frozenset({"file", "text", "region"}), tuple(lines))

    def names(self, file: str) -> list[str]:
        """The lines of a further list of names, if there is one: blanks and `#` comments are left out."""
        name = next((name for low, name in self.files.items() if PurePosixPath(low).name == file), None)
        if name is None:
            return []
        lines = self.read(name).decode("utf-8-sig", errors="replace").splitlines()
        return [bare for line in lines if (bare := line.partition("#")[0].strip())]

    def found(self, name: str) -> str | None:
        """The file that a row means: in any case, with Windows' separators, without its ending or its folders."""
        asked = name.replace("\\", "/").removeprefix("./").lower()
        if asked in self.files:
            return self.files[asked]
        alike = self._by_end.get(asked) or self._by_end.get(asked.rpartition("/")[2]) or []
        return alike[0] if len(alike) == 1 else None

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        ends: dict[str, list[str]] = {}
        for name in self.pictures:
            path = PurePosixPath(name.lower())
            for end in {path.name, path.stem, path.with_suffix("").as_posix()}:
                ends.setdefault(end, []).append(name)
        return ends

    @property
    def _zip(self) -> zipfile.ZipFile:
        if not self._archive:
            self._archive.append(zipfile.ZipFile(self.path))
        return self._archive[0]


def _under(inside: PurePosixPath, line: Line) -> Line:
    """Names in a list count from where the list is."""
    name = line["file"].replace("\\", "/")
    return Line(line.number, {**line.values, "file": (inside / name).as_posix() if name else ""})


def _of_name(file: PurePosixPath) -> dict[str, str]:
    text = _COUNTER.sub("", file.stem)
    return {"file": file.as_posix(), "text": text, "folder": file.parent.name}


def unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
