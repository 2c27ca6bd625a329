"""The lock files: they belong to pyproject.toml, pin everything with hashes, and name no package index."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("lock", ROOT / "requirements" / "lock.py")
assert _spec is not None
assert _spec.loader is not None
lock = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lock)

ASKED: dict[str, list[str]] = lock.asked_for()
files = pytest.mark.parametrize("name", sorted(ASKED))


def pinned(name: str) -> list[Requirement]:
    """What a lock file lists; a package may be there twice, for different Pythons."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line.partition(" --hash=")[0] for line in text.splitlines() if line[:1].isalpha()]
    return [Requirement(line) for line in lines]


@files
def test_it_was_written_for_what_pyproject_asks_for(name: str) -> None:
    first = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines(keepends=True)[0]
    assert first == lock.header(ASKED[name]), "run `make lock`"


@files
def test_every_requirement_is_met_by_what_is_pinned(name: str) -> None:
    locked = pinned(name)
    for asked in map(Requirement, ASKED[name]):
        found = [each for each in locked if canonicalize_name(each.name) == canonicalize_name(asked.name)]
        assert found, f"{asked.name} is not locked"
        for each in found:
            (version,) = each.specifier
            assert version.operator == "=="
            assert asked.specifier.contains(version.version, prereleases=True), f"{each} for {asked}"


@files
def test_every_line_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for line in text.replace("\\\n", " ").splitlines()[1:]:
        assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), line
    assert "://" not in text
    assert "index" not in text


def test_torch_is_for_the_machine_to_choose() -> None:
    assert not {"torch", "triton"} & {each.name for each in pinned("train")}
    assert "torch" in (ROOT / "pyproject.toml").read_text()


def test_the_files_agree_with_one_another() -> None:
    """An environment that gets two of them, one after the other, is changed by none."""
    versions: dict[tuple[str, str], set[str]] = {}
    for name in set(ASKED) - {"triton"}:
        for each in pinned(name):
            versions.setdefault((each.name, str(each.marker)), set()).add(str(each.specifier))
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
