"""Tesseract's command-line program: sparse text in the whole photograph."""

import subprocess
import tempfile
from pathlib import Path

from _loop import serve


def load():
    def read(path):
        with tempfile.TemporaryDirectory() as folder:
            command = ["tesseract", path, str(Path(folder) / "out"), "--psm", "11"]
            subprocess.run(command, check=True, capture_output=True)
            return (Path(folder) / "out.txt").read_text(encoding="utf-8").splitlines()

    return read


serve(load)
