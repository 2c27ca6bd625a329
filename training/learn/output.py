"""A new model folder: all that is served, with what was learnt in place of what was there. Nothing is overwritten."""

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
    """`parent/name`, or the first of `name-2`, `name-3` ... that is not there yet."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "own"
    for number in range(1, 1000):
        folder = parent / (plain if number == 1 else f"{plain}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise DataError(f"{parent} holds too many folders named {plain}: --out names another")


def copied(repository: Path, target: Path) -> None:
    """The model repository as it is served. Everybody may read the copy: in containers Triton is another user."""
    shutil.copytree(repository, target, ignore=_IGNORED, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def with_engines_of_its_own(folder: Path) -> None:
    """Has TensorRT keep the model's engine apart: it tells engines by the network's layout, not by its weights, and
    would go on with that of the model before."""
    config = folder / "config.pbtxt"
    text = config.read_text(encoding="utf-8")
    digest = hashlib.sha256((folder / "1" / MODEL).read_bytes()).hexdigest()[:12]
    place = re.compile(r'(key: "trt_engine_cache_path" value: "/var/cache/tensorrt)(?:/[0-9a-f]+)?"')
    config.write_text(place.sub(rf'\g<1>/{digest}"', text), encoding="utf-8")


def commands(models: Path, tag: str) -> Sequence[tuple[str, str, str]]:
    """Where it is served, the line that serves it, and the line that goes back."""
    mounted = models if models.is_absolute() else f"./{models}"
    image = f"registry.example.com/platelane-models:{tag}"
    build = f"docker build --file deploy/kubernetes/models.Dockerfile --build-arg MODELS={models} --tag {image} ."
    return (
        ("this machine", f"platelane up --models {models}", "platelane up"),
        ("docker compose", f"PLATELANE_MODELS={mounted} docker compose up -d --wait", "docker compose up -d --wait"),
        ("Kubernetes", f"{build}    # and newTag: {tag} in your overlay", "newTag: as before in your overlay"),
    )


def tell(target: Path, console: Console) -> None:
    """The lines that serve the new folder, and those that go back."""
    for where, serve, back in commands(target / "models", target.name):
        console.print(f"{where}: [bold]{serve}[/bold]\n    back: {back}", soft_wrap=True, highlight=False)
