from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from training.attributes.labels import HEADS, TYPES, Labels, MakeModel  # noqa: E402
from training.attributes.model import Calibration, Network, Served, fit_calibration, pooled_by, set_losses  # noqa: E402

LOGITS = [[2.0, -1.0, 0.5, 0.0], [0.3, 0.1, -0.2, 4.0]]


def test_an_unlabelled_row_has_no_loss_and_no_gradient() -> None:
    logits = torch.tensor(LOGITS, requires_grad=True)
    losses = set_losses(logits, torch.ones(2, 4, dtype=torch.bool), torch.zeros(2))
    torch.autograd.backward(losses.sum())
    assert losses.tolist() == [0.0, 0.0]
    assert not logits.grad.any()


def test_a_single_class_costs_its_cross_entropy_with_smoothing() -> None:
    logits, classes = torch.tensor(LOGITS), torch.tensor([1, 3])
    admissible = torch.nn.functional.one_hot(classes, 4).bool()
    expected = torch.nn.functional.cross_entropy(logits, classes, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(set_losses(logits, admissible, torch.full((2,), 0.1)), expected)


def test_several_admissible_classes_cost_the_logarithm_of_their_summed_probability() -> None:
    logits = torch.tensor(LOGITS)
    admissible = torch.tensor([[True, False, True, False], [True, True, True, False]])
    probabilities = torch.softmax(logits, dim=1)
    expected = [-math.log(float(row[mask].sum())) for row, mask in zip(probabilities, admissible, strict=True)]
    assert set_losses(logits, admissible, torch.zeros(2)).tolist() == pytest.approx(expected, rel=1e-5)


def test_a_vehicle_that_is_not_tellable_costs_least_with_equal_probabilities() -> None:
    everything, one = torch.ones(1, 4, dtype=torch.bool), torch.ones(1)
    even = set_losses(torch.zeros(1, 4), everything, one).item()
    sure = set_losses(torch.tensor(LOGITS[:1]), everything, one).item()
    assert even == pytest.approx(math.log(4))
    assert sure > even


def test_pooled_logits_are_the_sums_of_the_groups_probabilities() -> None:
    logits = torch.tensor(LOGITS)
    pooled = torch.softmax(pooled_by(logits, torch.tensor([0, 1, 1, 0])), dim=1)
    fine = torch.softmax(logits, dim=1)
    torch.testing.assert_close(pooled, torch.stack([fine[:, 0] + fine[:, 3], fine[:, 1] + fine[:, 2]], dim=1))


def drawn(logits: Any) -> Any:
    """Classes that are as likely as the logits say."""
    return torch.multinomial(torch.softmax(logits, dim=1), 1, generator=torch.Generator().manual_seed(1))[:, 0]


def test_calibration_undoes_a_scaling_and_a_shift_of_honest_logits() -> None:
    honest = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * 2
    fitted = fit_calibration(honest * 3 - torch.tensor([0.0, 0.0, 3.0]), drawn(honest))
    assert fitted.temperature == pytest.approx(3, rel=0.1)
    assert fitted.offsets[2] - fitted.offsets[0] == pytest.approx(1, abs=0.2)


def test_classes_with_few_rows_get_no_offsets() -> None:
    honest = torch.randn(100, 50, generator=torch.Generator().manual_seed(0)) * 3
    fitted = fit_calibration(honest * 2, drawn(honest))
    assert fitted.offsets == (0.0,) * 50
    assert fitted.temperature > 1.3


def test_a_head_without_labels_is_left_alone() -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    assert fit_calibration(torch.zeros(0, 3), nothing) == Calibration(1.0, (0.0, 0.0, 0.0))


def test_the_served_model_gives_probabilities_for_every_head() -> None:
    sizes = Labels(tuple(MakeModel("A", str(n), "", "") for n in range(5))).sizes
    served = Served(
        Network(sizes, widths=(8, 8, 8, 8)), {head: Calibration(2.0, (0.5,) * sizes[head]) for head in HEADS}
    ).eval()
    pictures = torch.randint(0, 256, (2, 128, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        outputs = served(pictures)
    assert [tuple(output.shape) for output in outputs] == [(2, len(TYPES)), (2, 8), (2, 2), (2, 5)]
    for output in outputs:
        torch.testing.assert_close(output.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize(("height", "width"), [(64, 80), (96, 120), (128, 160)])
def test_every_training_size_goes_through_the_network(height: int, width: int) -> None:
    network = Network(dict.fromkeys(HEADS, 3), widths=(8, 8, 8, 8)).eval()
    assert network(torch.zeros(1, 3, height, width))["type"].shape == (1, 3)
