from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import charts
from benchmarks.offered_load import Memory, Mixture, RatePoint, report
from benchmarks.open_loop import TrafficOutcome

FINE = TrafficOutcome(10.0, 100, [10.0] * 5, [50.0, 60.0, 90.0], {}, [], 0, 0, 0)
BEYOND = TrafficOutcome(
    10.0, 300, [9.0, 9.0, 9.0, 9.0, 4.0], [800.0, 900.0, 950.0], {503: 200}, [20.0, 30.0, 250.0], 60, 0, 0
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(charts, "FOLDER", tmp_path)
    return tmp_path


def test_the_report_says_what_is_left_beyond_the_peak_and_how_soon_refusals_came(folder: Path) -> None:
    points = [RatePoint(1.0, FINE, [0.001]), RatePoint(3.0, BEYOND, [0.004])]
    held = Memory([0.0, 60.0, 120.0], [900.0, 905.0, 909.0])
    told = report("gate.jpg", 20, 10.0, points, Mixture(FINE, BEYOND, FINE, 9.5), held)
    lines = told.splitlines()
    assert "| 1 | 10.0 | 10.0 (10.0 to 10.0) | 60 | 90 | 90 |  |  |  | 0 | 0 | 0 |" in lines
    assert "| 3 | 30.0 | 8.0 (4.0 to 9.0) | 900 | 950 | 950 | 503: 20.0 | 30 | 250 | 60 | 0 | 0 |" in lines
    assert "at least **8.0 photographs a second** were answered, 80% of the highest rate measured" in told
    assert "99 % of 3 refusals came within **250 ms** (aim: 100 ms); 60 answers came too late" in told
    assert "at most 4 ms late" in told
    assert "| interactive, with bulk | 30.0 | 8.0 (4.0 to 9.0) | 900 | 950 | 950 | 3, 60 |" in lines
    assert "**+1.0%**" in told
    assert {"load.svg", "load_memory.svg"} == {each.name for each in folder.iterdir()}
    assert all(f"({each.name})" in told for each in folder.iterdir())


def test_pictures_are_the_same_files_for_the_same_figures(folder: Path) -> None:
    def drawn() -> bytes:
        charts.lines("some", "a second", [1.0, 2.0], {"milliseconds": {"p50": [1.0, None]}}, logarithmic=True, at=1.5)
        return (folder / "some.svg").read_bytes()

    first = drawn()
    assert first == drawn()
    assert b"p50" in first, "text stays text"


def test_growth_is_from_the_first_third_of_the_time_to_the_last() -> None:
    assert Memory(range(6), [100.0, 100.0, 300.0, 50.0, 110.0, 110.0]).growth == pytest.approx(0.1)
    assert Memory([0.0], [100.0]).growth == 0
