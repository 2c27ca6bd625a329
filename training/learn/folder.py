"""The user's pictures: a folder or zip, with a list of what they show, or with plate texts as file names."""

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
"""Most bytes of one picture."""
MOST_PIXELS: Final = 50_000_000
REGIONS_FILE: Final = "regions.txt"
MODELS_FILE: Final = "makes.txt"
_COUNTER: Final = re.compile(r"(?:_.*| ?\(\d+\))$")
"""What follows the text in the names of further pictures of a plate: `AB123_2.jpg`, `AB123 (2).jpg`."""


@dataclass(frozen=True, slots=True)
class PictureList:
    """The rows, and the name of the list's file; empty if the file names are the list."""

    name: str
    columns: frozenset[str]
    lines: tuple[Line, ...]

    def place(self, line: Line) -> str:
        """The row's position for error messages."""
        return f"{self.name}:{line.number}" if self.name else line["file"]


@dataclass(frozen=True)
class Folder:
    """The pictures of a folder and its subfolders, or of a zip.

    All methods raise DataError if it is neither, or holds too much.
    """

    path: Path
    _archive: list[zipfile.ZipFile] = field(default_factory=list, repr=False, compare=False)

    @cached_property
    def files(self) -> Mapping[str, str]:
        """All relative file names, with `/`, by the same in lower case."""
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
            what = "is neither a folder nor a zip file" if self.path.exists() else "does not exist"
            raise DataError(f"{self.path} {what}")
        if len(found) > MOST_FILES:
            raise DataError(f"{self.path} has more than {MOST_FILES} files")
        return {name.lower(): name for name in sorted(found)}

    @property
    def pictures(self) -> list[str]:
        return [name for name in self.files.values() if PurePosixPath(name).suffix.lower() in ENDINGS]

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """The bytes of a file that has at most `most`."""
        size = self._zip.getinfo(name).file_size if self.path.is_file() else (self.path / name).stat().st_size
        if size > most:
            raise DataError(f"{name} has {size >> 20} MB; the limit is {most >> 20} MB")
        return self._zip.read(name) if self.path.is_file() else (self.path / name).read_bytes()

    def problem(self, name: str) -> str:
        """Why a picture cannot be used; empty if it can. Does not decode it."""
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
        """A picture decoded as the server does it.

        Raises:
            BadImage: it is damaged or incomplete.
        """
        return decoding.decode(self.read(name)).image

    def listed(self, preferred: str) -> PictureList:
        """The list of the folder: `preferred`, or the only CSV file; without one, the names of the pictures.

        A picture's name is the plate's text up to `_` or ` (`. The name of its folder is the region, if it is a code.
        Raises DataError if there are several lists.
        """
        tables = [name for name in self.files.values() if name.lower().endswith(".csv")]
        chosen = [name for name in tables if PurePosixPath(name).name.lower() == preferred] or tables
        if len(chosen) > 1:
            raise DataError(f"{self.path} has several lists ({', '.join(chosen[:5])}): name the right one {preferred}")
        if chosen:
            table = Table.of(self.read(chosen[0]), chosen[0])
            inside = PurePosixPath(chosen[0]).parent
            return PictureList(chosen[0], table.columns, tuple(_under(inside, line) for line in table.lines))
        lines = [Line(0, _of_name(PurePosixPath(name))) for name in self.pictures]
        return PictureList("", frozenset({"file", "text", "region"}), tuple(lines))

    def names(self, file: str) -> list[str]:
        """The lines of another text file, without blank lines and `#` comments; none if there is no such file."""
        name = next((name for low, name in self.files.items() if PurePosixPath(low).name == file), None)
        if name is None:
            return []
        lines = self.read(name).decode("utf-8-sig", errors="replace").splitlines()
        return [bare for line in lines if (bare := line.partition("#")[0].strip())]

    def found(self, name: str) -> str | None:
        """The file that a row refers to, regardless of case, kind of separators, and missing extension or folders."""
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
    """Make the file name relative to the list's folder."""
    name = line["file"].replace("\\", "/")
    return Line(line.number, {**line.values, "file": (inside / name).as_posix() if name else ""})


def _of_name(file: PurePosixPath) -> dict[str, str]:
    text = _COUNTER.sub("", file.stem)
    return {"file": file.as_posix(), "text": text, "folder": file.parent.name}


def unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
