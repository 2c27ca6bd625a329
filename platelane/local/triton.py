"""Triton on this machine's processor: the real server, out of the PyPI wheel that carries it.

The wheel (`nvidia-pytriton`) brings the server and its Python backend; `backends/onnxruntime` adds the backend that the
models ask for.
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
"""What HTTP offers besides the health that the supervisor asks for: closed, since others reach the port too."""
_NOBODY: Final = "no\nbody"
"""What the header of a request for these would have to hold. Options are seen by all users of the machine, so that none
of them could be a secret; and no header holds a line's end."""
_MEMORY: Final = "platelane_triton_"
"""Names of shared memory begin so, and go on with the port of the server that they are of."""
_HERE: Final = "/proc/self/cwd"
"""The folder that Triton and the processes of its models run in, whatever its name is."""


def triton_program(
    environment: Environment,
    model_repository: Path,
    folder: Path,
    http_port: int,
    metrics_port: int = 0,
) -> Program:
    """Triton with all models of a repository, which listens to this user; without a metrics port it has no metrics.

    Calls come over a socket at `grpc_address`. Its health is told on the loopback.

    It runs in `folder`, which gets the backends (3 MB) and a link to the models. Triton is told of both by names that
    no space or umlaut can get into: it hands paths to a shell without quotes, and its Python knows ASCII alone.
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
            # The models' Python is the one that is called python3 first; nothing of ours may get into it.
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
    """Where this user calls the server whose health is told on that port; it puts the number behind any address.

    Raises:
        CannotStart: as `sockets.folder`.
    """
    return f"{_socket()}:{http_port}"


def _socket() -> str:
    return f"unix:{sockets.folder() / 'triton'}"


def _clear(memory: str, http_port: int) -> None:
    """Take away what a server leaves."""
    shared_memory.remove(memory)
    Path(grpc_address(http_port).removeprefix("unix:")).unlink(missing_ok=True)


def ready_url(http_port: int) -> str:
    """Answers 200 when the server and all of its models are ready."""
    return f"http://{LOOPBACK}:{http_port}/v2/health/ready"


def assemble_backends(environment: Environment, target: Path) -> None:
    """A folder of backends as Triton wants it: real files only, since it refuses links that lead out of the folder."""
    python = environment.server / "backends" / "python"
    for source, folder in (
        (python / "libtriton_python.so", target / "python"),
        (python / "triton_python_backend_utils.py", target / "python"),
        (environment.stub, target / "python"),
        (resources.BACKENDS / "onnxruntime" / "model.py", target / "onnxruntime"),
    ):
        _copy(source, folder / source.name)
    server = environment.server / "bin" / "tritonserver"
    if not os.access(server, os.X_OK):  # the wheel does not say that it is a program
        server.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    """Copies what changed; a server that is running keeps the file it has."""
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
