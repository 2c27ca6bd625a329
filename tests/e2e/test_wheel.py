"""An installed Platelane: a wheel, in a fresh environment, in a folder whose name has a space and an umlaut."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from platelane.errors import CannotStart
from platelane.local.triton_environment import environment_folder, find_environment
from tests.e2e.conftest import ROOT, running_stack

NOT_IN_IT = (
    *(".*", "build", "*.egg-info", "__pycache__", "node_modules"),
    *("benchmarks", "docs", "shared", "tests", "checkpoints"),
)


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments, "--quiet", "--no-index", "--no-deps"], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without any package index, out of a copy, so that nothing of an earlier build is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "checkout", ignore=shutil.ignore_patterns(*NOT_IN_IT))
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "checkout"))
    (found,) = folder.glob("platelane-*.whl")
    return found


def test_learning_comes_along_without_checkpoints(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"training/learn/program.py", "training/synthesis/plate.py", "training/data/corrections.csv"} <= names
    assert not any("checkpoint" in name or name.startswith("tests/") for name in names)


@pytest.fixture
def bin_folder(wheel: Path, tmp_path: Path) -> Path:
    """Of an environment with the wheel, which sees the libraries of the one that runs the tests."""
    environment = tmp_path / "Meine Umgebung für Schilder"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    pip("--python", str(python), "install", str(wheel))
    (packages,) = environment.glob("lib/python3.*/site-packages")
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(libraries))
    return environment / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the state is; Triton's environment, which `platelane setup` would fetch, is that of the checkout."""
    folder = tmp_path / "Hof & Straße"
    (folder / "state").mkdir(parents=True)
    try:
        find_environment(environment_folder(folder / "state"))
    except CannotStart as error:
        pytest.skip(error.detail)
    (folder / "state" / "triton-environment").symlink_to(environment_folder(folder / "state"))
    return folder


def test_the_sample_is_read_wherever_it_is_installed(bin_folder: Path, folder: Path) -> None:
    nats_server = str(Path(sys.executable).parent)
    environment = {
        "PYTHONPATH": "",
        "PATH": os.pathsep.join((nats_server, os.environ["PATH"])),
        "LC_ALL": "C",
    }
    with running_stack(folder, command=[str(bin_folder / "platelane")], environment=environment) as stack:
        assert "Read gate.jpg: GK482TV" in stack.said
        models = (folder / "state" / "triton" / "models").resolve()
        assert models.is_relative_to(bin_folder.parent)
        page = httpx.get(stack.base_url, headers={"Accept": "text/html"}, trust_env=False).text
        (script,) = re.findall(r'<script type="module" src="([^"]+)"', page)
        assert httpx.get(stack.base_url + script, trust_env=False).status_code == 200
        assert "is missing" not in stack.state.processes["triton"].log.read_text()


def test_without_triton_it_says_what_to_do(bin_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [bin_folder / "platelane", "up", "--state-dir", tmp_path / "state"],
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "`platelane setup` makes it" in done.stderr or "needs" in done.stderr
