from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from training.learn.probe import inputs_of, probed

CLUSTERS = torch.eye(3).repeat_interleave(20, dim=0) * 4
"""Features (60, 3) of twenty pictures of each of three classes."""


def weights() -> dict[str, torch.Tensor]:
    """Of a layer that tells the first two classes, and nothing of the third."""
    return {
        "head.weight": torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        "head.bias": torch.zeros(3),
        "other": CLUSTERS,
    }


def test_a_new_class_is_told_and_the_others_outputs_stay() -> None:
    before = weights()
    allowed = torch.eye(3, dtype=torch.bool).repeat_interleave(20, dim=0)
    after = probed("head", before, 1, CLUSTERS, allowed)
    outputs = CLUSTERS @ after["head.weight"].T + after["head.bias"]
    assert (outputs.argmax(dim=1) == torch.arange(3).repeat_interleave(20)).all()
    torch.testing.assert_close(after["head.weight"][:2], before["head.weight"][:2])
    assert after["other"] is before["other"]
    assert before["head.weight"][2].tolist() == [0, 0, 0]


def test_pictures_that_may_be_of_several_known_classes_only_speak_against_the_new_one() -> None:
    allowed = torch.tensor([[True, True, False]] * 40 + [[False, False, True]] * 20)
    after = probed("head", weights(), 1, CLUSTERS, allowed)
    outputs = CLUSTERS @ after["head.weight"].T + after["head.bias"]
    assert ((outputs.argmax(dim=1) == 2) == allowed[:, 2]).all()


def test_the_inputs_of_a_layer_are_those_of_all_batches() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    seen = inputs_of("2", network, (torch.full((2, 2, 2), value) for value in (-1.0, 3.0)))
    assert seen.tolist() == [[0.0] * 4] * 2 + [[3.0] * 4] * 2
    assert not network[2]._forward_pre_hooks
