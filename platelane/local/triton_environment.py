"""Creates, finds and checks Triton's own virtual environment.

It is separate because Triton's Python backend needs numpy 1 and the services use numpy 2. In a checkout it is
`.venv-triton` and `make` makes it; an installed Platelane keeps it in the state directory (`platelane setup`).
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platelane import resources
from platelane.errors import CannotStart

GLIBC: Final = (2, 35)
"""The oldest C library that the wheel's server runs with."""
PROCESSORS: Final = ("x86_64", "aarch64")

INSTEAD: Final = "Docker runs it anywhere: docker compose -f docker-compose.yml -f docker-compose.cpu.yml up"

_PYTHONS: Final = ("python3.12", "python3.11", "python3")
_PROBE: Final = """
import importlib.metadata, json, sysconfig

def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""

print(json.dumps({
    "python": sysconfig.get_python_version(),
    "packages": sysconfig.get_path("purelib"),
    "libraries": [sysconfig.get_config_var("LIBDIR"), f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}"],
    "versions": {name: version(name) for name in ("nvidia-pytriton", "numpy", "onnxruntime")},
}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """The virtual environment of the local Triton."""

    folder: Path
    python: str
    """Version of its interpreter, as in "3.11"."""
    packages: Path
    libraries: tuple[Path, ...]
    """Where the interpreter's shared library may be."""
    versions: dict[str, str]
    """Installed versions by package; empty for missing packages."""

    @property
    def server(self) -> Path:
        return self.packages / "pytriton" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The program that runs a model's Python code."""
        return self.server / "python_backend_stubs" / self.python / "triton_python_backend_stub"

    @property
    def has_shared_python(self) -> bool:
        """Whether the interpreter's shared library is there, which the stub loads."""
        return any((folder / f"libpython{self.python}.so.1.0").exists() for folder in self.libraries)


def environment_folder(state_dir: Path) -> Path:
    """Where Triton's environment is, or would be created."""
    return resources.ROOT / ".venv-triton" if resources.IN_CHECKOUT else state_dir / "triton-environment"


def find_environment(folder: Path) -> Environment:
    """The environment in a folder, checked. Raises CannotStart if it or this machine cannot run the server."""
    check_machine()
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        raise CannotStart(f"There is no environment for Triton at {folder}: {_REMEDY} makes it.")
    environment = _probe(folder, interpreter)
    _check(environment)
    return environment


def make_environment(folder: Path, say: Callable[[str], None]) -> Environment:
    """The environment, created if it is missing or unusable, which takes about a minute and 300 MB.

    Packages come from the index that pip is configured with. Raises CannotStart if that fails.
    """
    check_machine()
    try:
        return find_environment(folder)
    except CannotStart:
        pass
    if not (folder / "bin" / "python").exists() or not _probe(folder, folder / "bin" / "python").has_shared_python:
        if python := next(_interpreters(), None):
            _run(python, "-m", "venv", "--clear", str(folder))
        else:
            say("Fetching a Python 3.12 for Triton")
            _fetch_python(folder)
    say("Installing Triton for the CPU (about a minute)")
    # without --no-deps, numpy 2 and a dozen unused packages would be installed too
    _pip(str(folder / "bin" / "python"), "--no-deps", "--require-hashes", "-r", str(resources.TRITON_REQUIREMENTS))
    return find_environment(folder)


def check_machine() -> None:
    """Raises CannotStart if the wheel's server does not run on this machine."""
    if platform.system() != "Linux" or platform.machine() not in PROCESSORS:
        here = f"{platform.system()} on {platform.machine()}"
        raise CannotStart(f"Triton without Docker needs Linux on x86-64 or 64-bit ARM; this is {here}. {INSTEAD}")
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < GLIBC:
        here = f"glibc {version}" if library == "glibc" else "another C library"
        raise CannotStart(
            f"Triton without Docker needs glibc {GLIBC[0]}.{GLIBC[1]} or newer; this is {here}. {INSTEAD}"
        )


_REMEDY: Final = "`make install`" if resources.IN_CHECKOUT else "`platelane setup`"


def _check(environment: Environment) -> None:
    missing = [name for name, version in environment.versions.items() if not version]
    if missing:
        raise CannotStart(f"{environment.folder} lacks {', '.join(missing)}: {_REMEDY} installs what is missing.")
    if int(environment.versions["numpy"].split(".")[0]) >= 2:
        raise CannotStart(
            f"{environment.folder} has numpy {environment.versions['numpy']}, with which Triton corrupts tensors "
            f"and reports no error. Remove the folder; {_REMEDY} makes it again."
        )
    if not environment.stub.exists():
        raise CannotStart(f"Triton's Python backend does not support Python {environment.python}. {INSTEAD}")
    if not environment.has_shared_python:
        raise CannotStart(
            f"Triton needs libpython{environment.python}.so.1.0: install the package libpython{environment.python}. "
            + INSTEAD
        )


def _probe(folder: Path, interpreter: Path | str) -> Environment:
    # in its own session, so that Ctrl-C does not end it
    command = [interpreter, "-I", "-c", _PROBE]
    answer = subprocess.run(command, check=True, capture_output=True, start_new_session=True)
    found = json.loads(answer.stdout)
    libraries = tuple(map(Path, found["libraries"]))
    return Environment(folder, found["python"], Path(found["packages"]), libraries, found["versions"])


def _interpreters() -> Iterator[str]:
    """Python interpreters of this machine that can create environments and run Triton's models."""
    for name in (sys.executable, *_PYTHONS):
        python = shutil.which(name)
        if python is None or subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True).returncode:
            continue
        environment = _probe(Path(python).parent, python)
        if environment.python in ("3.11", "3.12") and environment.has_shared_python:
            yield python


def _fetch_python(folder: Path) -> None:
    """Creates the environment with a downloaded Python. Raises CannotStart if none can be downloaded."""
    with tempfile.TemporaryDirectory() as tools:
        try:
            _pip(sys.executable, "--target", tools, "uv")
            uv = str(Path(tools, "bin", "uv"))
            _run(
                uv, "venv", "--quiet", "--seed", "--python-preference", "only-managed", "--python", "3.12", str(folder)
            )
        except CannotStart as error:
            raise CannotStart(
                "Triton on the CPU needs Python 3.11 or 3.12 with its shared library and its venv module, and none "
                f"could be fetched. Debian, Ubuntu: apt install python3.12-venv libpython3.12 (or 3.11). {INSTEAD}\n"
                + error.detail
            ) from error


def _pip(python: str, *arguments: str) -> None:
    _run(python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-12:])
        raise CannotStart(f"`{' '.join(command[:4])} ...` failed:\n{last}")
