from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from platelane.vision.crops import VEHICLE_SHAPE  # noqa: E402
from training.attributes.train import FURTHER, STAGES, Stage, cut_in, hits, mean_of_known  # noqa: E402


def test_unlabelled_rows_do_not_thin_the_mean_of_the_labelled_ones() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 5.0], [3.0, 1.0]])
    admissible = torch.tensor([[True, False], [True, True], [True, True]])
    alone = mean_of_known(logits[:1], admissible[:1], torch.zeros(1))
    assert mean_of_known(logits, admissible, torch.zeros(3)) == alone
    assert alone > 0


def test_without_any_label_the_mean_is_zero() -> None:
    assert mean_of_known(torch.randn(2, 3), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2)) == 0


def test_hits_count_only_rows_with_one_known_class() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    admissible = torch.tensor([[True, False, False], [False, True, False], [True, True, False]])
    assert hits(logits, admissible, 1).tolist() == [True, False]
    assert hits(logits, admissible, 2).tolist() == [True, True]


def test_a_head_with_a_single_class_is_never_measured() -> None:
    assert hits(torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool), 1).tolist() == []


def test_the_share_of_a_mixed_picture_is_what_is_left_of_it() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        images, others = np.zeros((2, 64, 80, 3), dtype=np.uint8), np.full((2, 64, 80, 3), 255, dtype=np.uint8)
        share = cut_in(images, others, random)
        assert share == pytest.approx((images == 0).mean())
        assert 0 < share < 1


@pytest.mark.parametrize("stages", [STAGES, FURTHER])
def test_stages_follow_each_other_and_end_with_what_is_served(stages: tuple[Stage, ...]) -> None:
    starts = [stage.start for stage in stages]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert stages[-1].size == VEHICLE_SHAPE[:2]


def test_weights_that_know_small_details_are_never_shown_small_pictures() -> None:
    assert {stage.size for stage in FURTHER} == {VEHICLE_SHAPE[:2]}
