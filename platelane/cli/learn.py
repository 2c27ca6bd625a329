"""`platelane learn`: finds an environment with PyTorch and runs `training.learn` in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from platelane import resources
from platelane.errors import CannotStart

NEEDED: Final = ("torch", "onnx", "onnxruntime", "tqdm", "training")


def learn(options: Mapping[str, Any], console: Console) -> None:
    """Runs `training.learn.program.learn` with `options` as its `Options`.

    If this environment lacks PyTorch, the process is replaced by the same command from the checkout's `.venv-train`.

    Raises:
        CannotStart: there is no PyTorch, or the program reports an error that the user can fix.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        _elsewhere(missing)
    # not an import: the services' environment, in which this module is checked, has no PyTorch
    errors, program = import_module("training.common.errors"), import_module("training.learn.program")
    try:
        program.learn(program.Options(**options), console)
    except errors.TrainingError as error:
        raise CannotStart(str(error)) from None


def _elsewhere(missing: list[str]) -> None:
    other = resources.ROOT / ".venv-train" / "bin" / "platelane"
    made = resources.IN_CHECKOUT and (resources.ROOT / ".venv-train" / ".ready").exists()
    if made and Path(sys.argv[0]) != other:
        os.execv(other, [str(other), *sys.argv[1:]])
    how = (
        "`make learn FOLDER=...` sets it up" if resources.IN_CHECKOUT else "`pip install 'platelane[learn]'` brings it"
    )
    raise CannotStart(f"`platelane learn` needs PyTorch, which is not installed here ({', '.join(missing)}): {how}.")
