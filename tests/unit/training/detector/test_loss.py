from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from training.detector.loss import (  # noqa: E402
    NOTHING,
    VEHICLE,
    Targets,
    assign,
    complete_iou,
    detection_loss,
    iou,
    score_targets,
)
from training.detector.model import CORNERS_OF_BOX, PLATE, Predictions  # noqa: E402

CAR, BUS = 1, 3
STRIDE = 8
SIDE = 8
"""The test canvas has 8 x 8 cells of stride 8."""


def predictions(boxes: dict[int, list[float]] | None = None, logit: float = 0.0) -> Predictions:
    """Every cell predicts a 16-pixel box around its centre, but for the given ones."""
    axis = (torch.arange(SIDE, dtype=torch.float32) + 0.5) * STRIDE
    points = torch.cartesian_prod(axis, axis).flip(1)
    all_boxes = torch.cat([points - STRIDE, points + STRIDE], dim=1).unsqueeze(0)
    for cell, box in (boxes or {}).items():
        all_boxes[0, cell] = torch.tensor(box)
    return Predictions(
        logits=torch.full((1, SIDE * SIDE, 5), logit, requires_grad=True),
        boxes=all_boxes.requires_grad_(),
        corners=torch.tensor(CORNERS_OF_BOX).repeat(1, SIDE * SIDE, 1).requires_grad_(),
        points=points,
    )


def targets(
    boxes: list[list[float]],
    classes: list[int],
    corners: list[list[float]] | None = None,
    ignored: list[list[float]] | None = None,
    ignored_groups: list[int] | None = None,
) -> Targets:
    return Targets(
        boxes=torch.tensor([boxes or [[0.0] * 4]]),
        classes=torch.tensor([classes or [NOTHING]]),
        corners=torch.tensor([corners or [[math.nan] * 8] * max(1, len(boxes))]),
        ignored=torch.tensor([ignored or [[0.0] * 4]]),
        ignored_groups=torch.tensor([ignored_groups or [0]]),
    )


def cell_at(x: float, y: float) -> int:
    return int(y // STRIDE) * SIDE + int(x // STRIDE)


def test_an_object_is_given_to_cells_inside_it_only() -> None:
    found = predictions()
    chosen = assign(found, targets([[8, 8, 32, 32]], [CAR])).quality[0] > 0
    inside = ((found.points > 8) & (found.points < 32)).all(dim=1)
    assert chosen.any()
    assert not (chosen & ~inside).any()


def test_padding_is_given_to_no_cell() -> None:
    assert not assign(predictions(), targets([], [])).quality.any()


def test_the_cell_that_fits_best_gets_the_highest_score_and_that_is_its_fit() -> None:
    best = cell_at(20, 20)
    found = predictions({best: [8.0, 8.0, 31.0, 32.0]})
    truth = targets([[8, 8, 32, 32]], [CAR])
    quality = assign(found, truth).quality[0]
    assert int(quality.argmax()) == best
    assert quality.max().item() == pytest.approx(iou(found.boxes[0, best], truth.boxes[0, 0]).item())


def test_a_plate_smaller_than_a_cell_is_still_given_to_one() -> None:
    assert (assign(predictions(), targets([[23, 15, 30, 17]], [PLATE])).quality > 0).any()


def test_a_cell_within_two_objects_answers_for_the_one_it_fits_better() -> None:
    cell = cell_at(28, 28)
    plate, car = [22.0, 26.0, 36.0, 31.0], [0.0, 0.0, 64.0, 64.0]
    truth = targets([car, plate], [CAR, PLATE])
    assert assign(predictions({cell: plate}), truth).objects[0, cell] == 1
    assert assign(predictions({cell: [0.0, 0.0, 60.0, 64.0]}), truth).objects[0, cell] == 0


def test_nothing_is_taught_where_a_group_is_not_labelled() -> None:
    found = predictions()
    truth = targets([], [], ignored=[[0, 0, 64, 32]], ignored_groups=[1])
    _, weight = score_targets(found, truth, assign(found, truth))
    above = found.points[:, 1] < 32
    assert not weight[0, above, 1:].any()
    assert weight[0, above, PLATE].all()
    assert weight[0, ~above].all()


def test_a_labelled_vehicle_makes_its_inside_known_in_a_partly_labelled_picture() -> None:
    found = predictions()
    truth = targets([[8, 8, 40, 40]], [CAR], ignored=[[0, 0, 64, 64]], ignored_groups=[1])
    _, weight = score_targets(found, truth, assign(found, truth))
    inside = ((found.points > 8) & (found.points < 40)).all(dim=1)
    assert weight[0, inside].all()
    assert not weight[0, ~inside, 1:].any()


def test_an_ignored_object_inside_a_labelled_one_stays_ignored() -> None:
    found = predictions()
    truth = targets([[0, 0, 64, 64]], [CAR], ignored=[[8, 8, 24, 24]], ignored_groups=[1])
    score, weight = score_targets(found, truth, assign(found, truth))
    background = ((found.points > 8) & (found.points < 24)).all(dim=1) & ~(score[0] > 0).any(dim=1)
    assert not weight[0, background, 1:].any()


def test_a_vehicle_of_unknown_class_is_taught_to_its_likeliest_class_alone() -> None:
    found = predictions()
    with torch.no_grad():
        found.logits[..., BUS] = 1.0
    truth = targets([[8, 8, 32, 32]], [VEHICLE])
    assignment = assign(found, truth)
    score, weight = score_targets(found, truth, assignment)
    chosen = assignment.quality > 0
    assert (score[chosen].argmax(dim=1) == BUS).all()
    assert weight[chosen].tolist() == [[1.0, 0.0, 0.0, 1.0, 0.0]] * int(chosen.sum())


def test_corners_teach_plates_that_have_them_and_nothing_else() -> None:
    box, corners = [8.0, 8.0, 32.0, 24.0], [[8.0, 10.0, 32.0, 8.0, 32.0, 22.0, 8.0, 24.0]]
    for classes, known, taught in (([PLATE], corners, True), ([PLATE], None, False), ([CAR], corners, False)):
        found = predictions()
        torch.autograd.backward(detection_loss(found, targets([box], classes, known)))
        assert (found.corners.grad is not None and bool(found.corners.grad.any())) == taught


def test_the_loss_falls_as_predictions_approach_the_truth() -> None:
    truth = targets([[8, 8, 32, 32]], [CAR])
    cells = [cell_at(x, y) for x in (12, 20, 28) for y in (12, 20, 28)]
    losses = []
    for error in (8.0, 4.0, 0.0):
        found = predictions({cell: [8 + error, 8.0, 32.0, 32.0] for cell in cells}, logit=-9.0)
        with torch.no_grad():
            found.logits[0, cells, CAR] = 9.0 - error
        losses.append(detection_loss(found, truth).item())
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 0.05


def test_a_picture_without_objects_teaches_low_scores_and_no_boxes() -> None:
    found = predictions()
    torch.autograd.backward(detection_loss(found, targets([], [])))
    assert found.logits.grad is not None
    assert (found.logits.grad > 0).all()
    assert found.boxes.grad is None


@pytest.mark.parametrize(
    ("other", "expected"), [([0, 0, 10, 10], 1.0), ([5, 0, 15, 10], 1 / 3), ([20, 0, 30, 10], 0.0), ([3, 3, 3, 3], 0.0)]
)
def test_iou(other: list[float], expected: float) -> None:
    assert iou(torch.tensor([0.0, 0.0, 10.0, 10.0]), torch.tensor(other).float()).item() == pytest.approx(expected)


def test_complete_iou_tells_near_misses_from_far_ones() -> None:
    actual = torch.tensor([[0.0, 0.0, 10.0, 10.0]]).repeat(3, 1)
    predicted = torch.tensor([[0.0, 0.0, 10.0, 10.0], [12.0, 0.0, 22.0, 10.0], [50.0, 0.0, 60.0, 10.0]])
    same, near, far = complete_iou(predicted, actual).tolist()
    assert same == pytest.approx(1.0)
    assert 0 > near > far
