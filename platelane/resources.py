"""Files that come with the code: in a checkout they are beside it, in a wheel `setup.py` puts them inside."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
_INSTALLED: Final = _PACKAGE / "_data"

IN_CHECKOUT: Final = not _INSTALLED.is_dir()
ROOT: Final = _PACKAGE.parent if IN_CHECKOUT else _INSTALLED
MODELS: Final = ROOT / "triton_models"
BACKENDS: Final = ROOT / "backends"
SAMPLE: Final = ROOT / "samples" / "gate.jpg"
TRITON_REQUIREMENTS: Final = ROOT / "requirements" / "triton.txt"
