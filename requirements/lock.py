"""`make lock`: writes what pyproject.toml asks for into requirements/*.txt, every package with version and hashes.

The files name no package index, and hold for Linux, macOS and Windows on any processor: pip takes what fits from the
index that it is configured with. PyTorch is left out, because which build is right depends on the machine.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent
EXTRAS: Final = {
    "services": (),
    "local": ("local",),
    "test": ("local", "test"),
    "train": ("local", "test", "train"),  # the evaluation starts a Platelane of its own
}
"""Extras of pyproject.toml by lock file; the dependencies themselves are in each."""
NOT_LOCKED: Final = ("torch",)


def asked_for() -> dict[str, list[str]]:
    """The requirements that each lock file meets, by its name."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    files = {
        name: sorted({*project["dependencies"], *(each for extra in chosen for each in extras[extra])})
        for name, chosen in EXTRAS.items()
    }
    locked = {name: [each for each in asked if not each.startswith(NOT_LOCKED)] for name, asked in files.items()}
    triton = (line for line in (FOLDER / "triton.in").read_text().splitlines() if not line.startswith("#"))
    return {**locked, "triton": sorted(triton)}


def header(asked: Iterable[str]) -> str:
    """The first line of a lock file, by which a test sees that it belongs to pyproject.toml."""
    digest = hashlib.sha256("\n".join(asked).encode()).hexdigest()
    return f"# Written by `make lock`, for the requirements with the SHA-256 {digest}\n"


def main() -> None:
    everything = asked_for()
    triton = everything.pop("triton")
    with tempfile.TemporaryDirectory() as folder:
        together = Path(folder, "together.txt")  # so that a package has one version in all files
        together.write_text(_compiled({each for asked in everything.values() for each in asked}))
        locked = {name: _compiled(asked, "--constraint", str(together)) for name, asked in everything.items()}
    locked["triton"] = _compiled(triton, "--no-deps")
    for name, text in locked.items():
        (FOLDER / f"{name}.txt").write_text(header(asked_for()[name]) + text)


def _compiled(asked: Iterable[str], *options: str) -> str:
    command: Sequence[str] = (
        *(sys.executable, "-m", "uv", "pip", "compile", "-", *options),
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
    )
    return subprocess.run(command, input="\n".join(asked), stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()
