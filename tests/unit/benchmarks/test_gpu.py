"""What the benchmark of a GPU makes of its figures."""

from __future__ import annotations

import pytest

from benchmarks import gpu


def test_a_photograph_takes_every_step_and_the_aligner_twice() -> None:
    medians = {step.name: 4.0 for step in gpu.STEPS}
    assert gpu.photographs(medians, batch=6) == pytest.approx(6 / 0.024)


@pytest.mark.parametrize(
    ("cores", "graphics", "limit"),
    [
        (100.0, None, "The limit is decoding: 100 photographs a second, 50 cameras"),
        (100.0, 900.0, "The limit is the networks: 500 photographs a second, 250 cameras"),
    ],
)
def test_the_slower_of_networks_and_the_best_decoder_is_the_limit(
    cores: float, graphics: float | None, limit: str
) -> None:
    times = {batch: {step.name: [took] * 20 for step in gpu.STEPS} for batch, took in ((1, 1.0), (6, 2.0))}
    rates = {"2 cores": cores} | ({} if graphics is None else {"the GPU (nvJPEG)": graphics})
    text = gpu.report("a runtime", times, rates)
    assert "| **photographs a second** |  | **167** | **500** |" in text
    assert limit in text
