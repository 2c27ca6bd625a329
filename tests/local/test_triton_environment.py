from __future__ import annotations

import sys
from pathlib import Path

import pytest

from platelane.errors import CannotStart
from platelane.local.triton_environment import find_environment

IN_A_SESSION_OF_ITS_OWN = '[ "$(cut -d " " -f 6 /proc/$$/stat)" = $$ ] || exit 3'


def test_a_ctrl_c_does_not_reach_the_interpreter_that_is_asked(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\n{IN_A_SESSION_OF_ITS_OWN}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(CannotStart, match="lacks nvidia-pytriton"):
        find_environment(tmp_path)
