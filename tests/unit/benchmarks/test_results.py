from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import percentile


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.0, 0.25, 0.5, 0.51, 1.0)] == [1, 1, 2, 3, 4]
    assert percentile([], 0.5) is None


def test_every_section_says_where_on_what_and_what_the_reference_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "FILE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(results, "_git", lambda command, *_: {"rev-parse": "0123456789", "status": ""}[command])
    results.record("Some", "Text.")
    header = results.section("Some").split("\n\n")[0]
    assert "commit 0123456789, " in header
    assert "the reference, sorting a million FP32 numbers in NumPy, takes " in header
    monkeypatch.setattr(results, "_git", lambda command, *_: {"rev-parse": "0123456789", "status": " M a.py"}[command])
    results.record("Some", "Other text.")
    assert "commit 0123456789 with changes, " in results.section("Some")
    assert results.section("Some").endswith("Other text.\n")
