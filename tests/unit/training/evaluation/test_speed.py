from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from benchmarks import gpu
from training.evaluation import speed


def test_every_step_of_a_photograph_has_its_network_with_its_pictures() -> None:
    timed = speed.networks()
    assert {name: shape for name, (_, shape) in timed.items()} == {step.name: step.shape for step in gpu.STEPS}
    for network, shape in timed.values():
        answers = network.eval()(torch.zeros(2, *shape, dtype=torch.uint8))
        assert all(len(answer) == 2 for answer in ([answers] if torch.is_tensor(answers) else answers))
