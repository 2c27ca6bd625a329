"""The benchmark of a GPU, whose program runs the exported models on a processor as well."""

from __future__ import annotations

import pytest

from benchmarks import gpu
from platelane.errors import CannotStart
from platelane.local.triton_environment import find_environment

from .conftest import ENVIRONMENT


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> gpu.Runtime:
    """ONNX Runtime on the processor."""
    try:
        found = find_environment(ENVIRONMENT)
    except CannotStart as error:
        pytest.skip(str(error))
    monkeypatch.syspath_prepend(found.packages)
    return gpu.chosen("cpu")


def test_every_step_is_timed(runtime: gpu.Runtime) -> None:
    (steps,) = gpu.measured(runtime, (1,), seconds=0.0).values()
    assert steps.keys() == {step.name for step in gpu.STEPS}
    assert all(len(times) >= 20 and min(times) > 0 for times in steps.values())


def test_without_a_gpu_it_says_what_is_missing(runtime: gpu.Runtime) -> None:
    assert "cpu" in runtime.name
    with pytest.raises(CannotStart, match="needs an NVIDIA GPU, and cuda finds none"):
        gpu.chosen("cuda")
