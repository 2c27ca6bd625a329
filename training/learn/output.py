"""A new model folder: a copy of the served one, with the trained model in place of the old one."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from training.common.errors import DataError

MODEL: Final = "model.onnx"
_IGNORED: Final = shutil.ignore_patterns(".*", "*.tmp")


def new_folder(parent: Path, name: str) -> Path:
    """Create `parent/name`, or the first of `name-2`, `name-3` ... that does not exist yet."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "own"
    for number in range(1, 1000):
        folder = parent / (plain if number == 1 else f"{plain}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise DataError(f"{parent} has too many folders named {plain}: choose another with --out")


def copied(repository: Path, target: Path) -> None:
    """Copy the served model repository. All users can read the copy, because Triton has another user in containers."""
    shutil.copytree(repository, target, ignore=_IGNORED, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def separate_engine_cache(folder: Path) -> None:
    """Give the model a separate folder for TensorRT engines: TensorRT identifies engines by the network's layout, not
    by its weights, and would otherwise reuse the previous model's."""
    config = folder / "config.pbtxt"
    text = config.read_text(encoding="utf-8")
    digest = hashlib.sha256((folder / "1" / MODEL).read_bytes()).hexdigest()[:12]
    place = re.compile(r'(key: "trt_engine_cache_path" value: "/var/cache/tensorrt)(?:/[0-9a-f]+)?"')
    config.write_text(place.sub(rf'\g<1>/{digest}"', text), encoding="utf-8")


def commands(models: Path, tag: str) -> Sequence[tuple[str, str, str]]:
    """Ways to serve the folder: where, the command that serves it, and the command that goes back."""
    mounted = models if models.is_absolute() else f"./{models}"
    image = f"registry.example.com/platelane-models:{tag}"
    build = f"docker build --file deploy/kubernetes/models.Dockerfile --build-arg MODELS={models} --tag {image} ."
    return (
        ("this machine", f"platelane up --models {models}", "platelane up"),
        ("docker compose", f"PLATELANE_MODELS={mounted} docker compose up -d --wait", "docker compose up -d --wait"),
        ("Kubernetes", f"{build}    # and newTag: {tag} in your overlay", "newTag: as before in your overlay"),
    )


def print_commands(target: Path, console: Console) -> None:
    """Print the commands that serve the new folder, and those that go back."""
    for where, serve, back in commands(target / "models", target.name):
        console.print(f"{where}: [bold]{serve}[/bold]\n    back: {back}", soft_wrap=True, highlight=False)
