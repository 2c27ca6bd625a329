"""How `make audit` reports an auditor's answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / "deploy" / "audit.py"
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
BROKEN = {"name": "broken", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}


def audit(tmp_path: Path, said: str, complaint: str = "") -> tuple[int, str]:
    """Exit code and words, with an auditor that says so."""
    auditor = tmp_path / "auditor"
    auditor.write_text(f"#!{sys.executable}\nimport sys\nprint({said!r})\nsys.exit({complaint!r})\n")
    auditor.chmod(0o755)
    done = subprocess.run([sys.executable, AUDIT, auditor, tmp_path], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([SOUND, UNKNOWN], 0, "1 of 2 packages looked up, 0 vulnerable"),
        ([SOUND, BROKEN], 1, "broken 1.0: CVE-1, mended in 1.1"),
        ([UNKNOWN], 0, "Audit skipped: none of 1 packages could be looked up (not found)"),
        ([], 0, "Audit skipped"),
    ],
)
def test_only_a_known_vulnerability_fails(tmp_path: Path, packages: list[object], code: int, words: str) -> None:
    ended, said = audit(tmp_path, json.dumps({"dependencies": packages}))
    assert ended == code
    assert words in said


def test_without_a_network_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    assert audit(tmp_path, "", "no route to host") == (0, "Audit skipped: no route to host\n")
