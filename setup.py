"""Puts the files of `platelane/resources.py` into the package of a wheel; everything else is said in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
RESOURCES = (
    "backends/*/*.py",
    "requirements/triton.txt",
    "samples/gate.jpg",
    "triton_models/*/*.pbtxt",
    "triton_models/*/*.csv",
    "triton_models/*/*.json",
    "triton_models/*/*.txt",
    "triton_models/*/1/*",
    "triton_models/*/configs/*",
)


class BuildWithResources(build_py):
    """An editable installation finds them in the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        data = Path(self.build_lib, "platelane", "_data")
        shutil.rmtree(data, ignore_errors=True)  # of an earlier build
        for file in (file for pattern in RESOURCES for file in ROOT.glob(pattern) if file.is_file()):
            target = data / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


setup(cmdclass={"build_py": BuildWithResources})
