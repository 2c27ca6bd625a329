"""Triton on this machine's processor: the real server, out of the PyPI wheel that carries it.

The wheel (`nvidia-pytriton`) brings the server and its Python backend; `backends/onnxruntime` adds the backend that the
models ask for. They live in a virtual environment of their own, made from `requirements-triton.txt`, because Triton's
Python backend needs numpy 1 and the services use numpy 2.
"""

from __future__ import annotations

import filecmp
import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platelane.errors import CannotStart
from platelane.supervisor.process import Program

LOOPBACK: Final = "127.0.0.1"
ROOT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENT: Final = ROOT / ".venv-triton"
BACKENDS: Final = ROOT / "backends"
GLIBC: Final = (2, 35)
"""The oldest C library that the wheel's server runs with."""

_INSTEAD: Final = "Docker runs it anywhere: docker compose -f docker-compose.yml -f docker-compose.cpu.yml up"

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
    "libraries": sysconfig.get_config_var("LIBDIR"),
    "versions": {name: version(name) for name in ("nvidia-pytriton", "numpy", "onnxruntime")},
}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the virtual environment of the local Triton holds."""

    folder: Path
    python: str
    """Version of its interpreter, as in "3.11"."""
    packages: Path
    libraries: Path
    """Where the interpreter's shared library is."""
    versions: dict[str, str]
    """Installed versions by package, empty for one that is missing."""

    @property
    def server(self) -> Path:
        return self.packages / "pytriton" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The program that runs a model's Python code."""
        return self.server / "python_backend_stubs" / self.python / "triton_python_backend_stub"


def triton_program(
    model_repository: Path,
    state_dir: Path,
    grpc_port: int,
    http_port: int,
    metrics_port: int = 0,
    *,
    folder: Path = ENVIRONMENT,
) -> Program:
    """Triton with all models of a repository, listening on the loopback; without a metrics port it has no metrics.

    `state_dir` gets the folder of backends, 3 MB. Raises CannotStart where the server cannot run.
    """
    environment = find_environment(folder)
    backends = assemble_backends(environment, state_dir / "triton-backends")
    memory = f"platelane_triton_{http_port}_"
    for leftover in Path("/dev/shm").glob(f"{memory}*"):  # of a server on this port that was killed
        leftover.unlink()
    metrics = (f"--metrics-port={metrics_port}", "--allow-gpu-metrics=false") if metrics_port else ()
    return Program(
        name="triton",
        command=(
            str(environment.server / "bin" / "tritonserver"),
            f"--model-repository={model_repository}",
            f"--backend-directory={backends}",
            f"--backend-config=python,shm-region-prefix-name={memory}",
            "--model-control-mode=none",
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            "--exit-on-error=true",
            "--exit-timeout-secs=3",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={grpc_port}",
            f"--http-address={LOOPBACK}",
            f"--http-port={http_port}",
            "--http-thread-count=1",
            *(metrics or ("--allow-metrics=false",)),
            "--pinned-memory-pool-byte-size=0",
            "--log-info=false",
        ),
        environment={
            # The models' Python is the one that is called python3 first; nothing of ours may get into it.
            "PATH": os.pathsep.join((str(environment.folder / "bin"), os.environ.get("PATH", os.defpath))),
            "PYTHONPATH": "",
            "PYTHONHOME": "",
            "LD_LIBRARY_PATH": f"{environment.libraries}:{environment.packages / 'nvidia_pytriton.libs'}",
        },
        ready_url=ready_url(http_port),
        address=f"{LOOPBACK}:{grpc_port}",
    )


def ready_url(http_port: int) -> str:
    """Answers 200 when the server and all of its models are ready."""
    return f"http://{LOOPBACK}:{http_port}/v2/health/ready"


def find_environment(folder: Path = ENVIRONMENT) -> Environment:
    """The environment in a folder, checked. Raises CannotStart where it or this machine cannot run the server."""
    _check_machine()
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        raise CannotStart(f"There is no environment for Triton at {folder}: `make install` makes it.")
    found = json.loads(subprocess.run([interpreter, "-I", "-c", _PROBE], check=True, capture_output=True).stdout)
    environment = Environment(
        folder, found["python"], Path(found["packages"]), Path(found["libraries"]), found["versions"]
    )
    _check_packages(environment)
    return environment


def assemble_backends(environment: Environment, target: Path) -> Path:
    """A folder of backends as Triton wants it: real files only, since it refuses links that lead out of the folder."""
    python = environment.server / "backends" / "python"
    for source, folder in (
        (python / "libtriton_python.so", target / "python"),
        (python / "triton_python_backend_utils.py", target / "python"),
        (environment.stub, target / "python"),
        (BACKENDS / "onnxruntime" / "model.py", target / "onnxruntime"),
    ):
        _copy(source, folder / source.name)
    (environment.server / "bin" / "tritonserver").chmod(0o755)
    return target


def _copy(source: Path, target: Path) -> None:
    """Copies what changed; a server that is running keeps the file it has."""
    if target.exists() and filecmp.cmp(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, new)
    new.chmod(0o755)
    new.replace(target)


def _check_machine() -> None:
    library, version = platform.libc_ver()
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        here = f"{platform.system()} on {platform.machine()}"
        raise CannotStart(f"Triton without Docker needs Linux on x86-64; this is {here}. {_INSTEAD}")
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < GLIBC:
        here = f"glibc {version}" if library == "glibc" else "another C library"
        raise CannotStart(
            f"Triton without Docker needs glibc {GLIBC[0]}.{GLIBC[1]} or newer; this is {here}. {_INSTEAD}"
        )


def _check_packages(environment: Environment) -> None:
    missing = [name for name, version in environment.versions.items() if not version]
    if missing:
        raise CannotStart(f"{environment.folder} lacks {', '.join(missing)}: `make install` mends it.")
    if int(environment.versions["numpy"].split(".")[0]) >= 2:
        raise CannotStart(
            f"{environment.folder} has numpy {environment.versions['numpy']}, with which Triton corrupts tensors "
            "and reports no error: `pip install --no-deps -r requirements-triton.txt` in there mends it."
        )
    if not environment.stub.exists():
        raise CannotStart(f"Triton's Python backend does not support Python {environment.python}. {_INSTEAD}")
    name = f"libpython{environment.python}.so.1.0"
    if not any((folder / name).exists() for folder in (environment.libraries, Path("/usr/lib/x86_64-linux-gnu"))):
        raise CannotStart(f"Triton needs {name}: install the package libpython{environment.python}. {_INSTEAD}")
