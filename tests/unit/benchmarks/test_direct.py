from __future__ import annotations

from pathlib import Path

from benchmarks.direct import CLIENT, Measured, Rounds, _report


def rounds(*each: tuple[float, dict[str, float]]) -> Rounds:
    return Rounds([wall for wall, _ in each], [cpu for _, cpu in each])


def test_ratios_are_of_rounds_that_were_measured_together_and_leave_the_client_out() -> None:
    # the machine was busy with something else in the second round
    system = rounds((30, {"detector": 20, "ocr": 4, CLIENT: 9}), (90, {"detector": 22, "ocr": 2, CLIENT: 9}))
    bare = rounds((10, {"bare": 12}), (30, {"bare": 12}))
    alone, bare_alone = rounds((50, {"detector": 25}), (51, {"detector": 25})), rounds((45, {}), (44, {}))
    lines = _report(Path("gate.jpg"), {"regular": Measured(system, bare, alone, bare_alone)}, 60).splitlines()
    assert "| regular | busy, wall time | 60.0 (30.0 to 90.0) | 20.0 (10.0 to 30.0) | **3.00** | 1.6 |" in lines
    assert "| regular | busy, processor time | 24.0 (24.0 to 24.0) | 12.0 (12.0 to 12.0) | 2.00 |  |" in lines
    assert "| regular | alone, wall time | 50.5 (50.0 to 51.0) | 44.5 (44.0 to 45.0) | +6.0 ms | +6 ms |" in lines
    assert lines.index("| detector | 21.0 | 25.0 |") < lines.index("| ocr | 3.0 | 0.0 |")
