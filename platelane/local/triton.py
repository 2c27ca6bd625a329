"""Triton on this machine's CPU: the real server, from a PyPI wheel.

The wheel (`nvidia-pytriton`) contains the server and its Python backend; `backends/onnxruntime` adds the backend that
the models need.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Final

from platelane import resources
from platelane.local import shared_memory, sockets
from platelane.local.plan import Program
from platelane.local.ports import LOOPBACK
from platelane.local.triton_environment import Environment

_BACKENDS: Final = "backends"
_MODELS: Final = "models"
_UNUSED: Final = "metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging"
"""The HTTP APIs that are closed, because other users can reach the port too. Only health checks stay open."""
_NOBODY: Final = "no\nbody"
"""The header value that would open these APIs. It cannot be a secret, because all users can see a program's options, so
it is a value that no header can have: one with a line break."""
_MEMORY: Final = "platelane_triton_"
"""Prefix of the names of shared memory; the server's port follows."""
_HERE: Final = "/proc/self/cwd"
"""The working directory of Triton and its model processes, regardless of its real name."""


def triton_program(
    environment: Environment,
    model_repository: Path,
    folder: Path,
    http_port: int,
    metrics_port: int = 0,
) -> Program:
    """Triton with all models of a repository, accessible only to this user; without a metrics port, without metrics.

    It is called over a socket at `grpc_address`, and reports its health over HTTP on loopback.

    It runs in `folder`, which gets the backends (3 MB) and a link to the models. Both are passed to Triton by paths
    without spaces or umlauts: it passes paths to a shell without quotes, and its Python only handles ASCII.
    """
    assemble_backends(environment, folder / _BACKENDS)
    _link(folder / _MODELS, model_repository.absolute())
    memory = f"{_MEMORY}{http_port}_"
    shared_memory.remove(memory)  # of a server on this port that was killed
    shared_memory.remove_leftovers(_MEMORY)
    sockets.remove_leftovers(sockets.folder())
    metrics = (f"--metrics-port={metrics_port}", "--allow-gpu-metrics=false") if metrics_port else ()
    return Program(
        name="triton",
        command=(
            str(environment.server / "bin" / "tritonserver"),
            f"--model-repository={_HERE}/{_MODELS}",
            f"--backend-directory={_HERE}/{_BACKENDS}",
            f"--backend-config=python,shm-region-prefix-name={memory}",
            "--model-control-mode=none",
            "--model-config-name=cpu",  # of models that have one: <model>/configs/cpu.pbtxt
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            "--exit-on-error=true",
            "--exit-timeout-secs=3",
            f"--grpc-address={_socket()}",
            f"--grpc-port={http_port}",
            f"--http-address={LOOPBACK}",
            f"--http-port={http_port}",
            "--http-thread-count=1",
            f"--http-restricted-api={_UNUSED}:platelane={_NOBODY}",
            *(metrics or ("--allow-metrics=false",)),
            "--pinned-memory-pool-byte-size=0",
            "--log-info=false",
        ),
        environment={
            # Models run with the first python3 on the PATH; our own environment must not affect it.
            "PATH": os.pathsep.join((str(environment.folder / "bin"), os.environ.get("PATH", os.defpath))),
            "PYTHONPATH": "",
            "PYTHONHOME": "",
            "LD_LIBRARY_PATH": f"{environment.libraries[0]}:{environment.packages / 'nvidia_pytriton.libs'}",
        },
        ready_url=ready_url(http_port),
        address=grpc_address(http_port),
        folder=folder,
        on_end=partial(_clear, memory, http_port),
    )


def grpc_address(http_port: int) -> str:
    """The gRPC address of this user's server with that HTTP port; Triton appends the port to the socket's path.

    Raises:
        CannotStart: as `sockets.folder`.
    """
    return f"{_socket()}:{http_port}"


def _socket() -> str:
    return f"unix:{sockets.folder() / 'triton'}"


def _clear(memory: str, http_port: int) -> None:
    """Remove what a server leaves behind."""
    shared_memory.remove(memory)
    Path(grpc_address(http_port).removeprefix("unix:")).unlink(missing_ok=True)


def ready_url(http_port: int) -> str:
    """The URL that answers 200 when the server and all of its models are ready."""
    return f"http://{LOOPBACK}:{http_port}/v2/health/ready"


def assemble_backends(environment: Environment, target: Path) -> None:
    """Copies the backends into a folder for Triton, which refuses links that lead out of the folder."""
    python = environment.server / "backends" / "python"
    for source, folder in (
        (python / "libtriton_python.so", target / "python"),
        (python / "triton_python_backend_utils.py", target / "python"),
        (environment.stub, target / "python"),
        (resources.BACKENDS / "onnxruntime" / "model.py", target / "onnxruntime"),
    ):
        _copy(source, folder / source.name)
    server = environment.server / "bin" / "tritonserver"
    if not os.access(server, os.X_OK):  # the wheel does not mark it as executable
        server.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    """Copies a changed file; a running server keeps the old one."""
    if target.exists() and filecmp.cmp(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, new)
    new.chmod(0o755)
    new.replace(target)


def _link(name: Path, target: Path) -> None:
    new = name.with_name(f".{name.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(name)
