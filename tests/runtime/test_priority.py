from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")


def test_a_process_that_steps_back_is_nicer_than_the_others() -> None:
    program = "import os; from platelane.runtime import priority; priority.step_back(); print(os.nice(0))"
    before = subprocess.run(["nice"], capture_output=True, text=True, check=True).stdout
    after = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(after) == min(19, int(before) + 10)


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel groups no processes by session")
@pytest.mark.parametrize("leads", [True, False])
def test_only_who_leads_a_session_steps_back_with_it(leads: bool) -> None:
    program = f"""
import os
from pathlib import Path
from platelane.runtime import priority
group = Path("{AUTOGROUP}")
if not {leads}:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print(group.read_text())
        os._exit(0)
priority.step_back()
print(group.read_text())
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, start_new_session=True
    ).stdout
    assert {line.rsplit(maxsplit=1)[1] for line in printed.split("\n") if line} == {"10" if leads else "0"}
