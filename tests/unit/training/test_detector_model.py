from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from detector.detections import Detections  # noqa: E402
from training.detector import completed, ranked_difference  # noqa: E402
from training.detector_data import PLATES, VEHICLES, empty_scene  # noqa: E402
from training.detector_model import PLATE, TOP_K, Decoder, Detector, Predictions  # noqa: E402


class Answering(Detector):
    """Gives prepared predictions."""

    def __init__(self, answer: Predictions) -> None:
        torch.nn.Module.__init__(self)
        self.answer = answer

    def forward(self, _image: object) -> Predictions:
        return self.answer


def answer(cells: int = 2 * TOP_K) -> Predictions:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(cells, 2, generator=generator) * 100
    return Predictions(
        logits=torch.randn(1, cells, 5, generator=generator),
        boxes=torch.cat([points - 5, points + torch.tensor([15.0, 5.0])], dim=1).unsqueeze(0),
        corners=torch.rand(1, cells, 8, generator=generator),
        points=points,
        strides=torch.full((cells, 1), 8.0),
    )


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (32, 32)])
def test_every_cell_of_every_level_predicts_and_none_twice(height: int, width: int) -> None:
    found = Detector().eval()(torch.zeros(2, height, width, 3, dtype=torch.uint8))
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    assert found.logits.shape == (2, cells, 5)
    assert found.boxes.shape == (2, cells, 4)
    assert len({tuple(row) for row in torch.cat([found.points, found.strides], dim=1).tolist()}) == cells
    assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()
    assert ((found.points > 0) & (found.points < torch.tensor([width, height]))).all()


def test_the_best_cells_come_first_with_their_own_class() -> None:
    given = answer()
    boxes, scores, classes, _ = Decoder(Answering(given))(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
    best = given.logits[0].amax(dim=1).sort(descending=True)
    assert torch.equal(scores[0], best.values[:TOP_K].sigmoid())
    assert torch.equal(classes[0], given.logits[0].argmax(dim=1)[best.indices[:TOP_K]])
    assert torch.equal(boxes[0], given.boxes[0, best.indices[:TOP_K]])
    assert classes.dtype == torch.int64


def test_vehicles_get_the_corners_of_their_box_and_plates_their_own() -> None:
    given = answer()
    boxes, _, classes, corners = Decoder(Answering(given))(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
    vehicle = classes[0] != PLATE
    torch.testing.assert_close(corners[0, vehicle], boxes[0, vehicle][:, [0, 1, 2, 1, 2, 3, 0, 3]])
    plate = int((~vehicle).nonzero()[0])
    cell = int((given.boxes[0] == boxes[0, plate]).all(dim=1).nonzero()[0])
    expected = given.corners[0, cell].reshape(4, 2) * torch.tensor([20.0, 10.0]) + boxes[0, plate, :2]
    torch.testing.assert_close(corners[0, plate].reshape(4, 2), expected)


def test_parity_allows_equal_scores_to_change_places_and_nothing_else() -> None:
    outputs = [output.numpy() for output in Decoder(Answering(answer()))(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))]
    for output in outputs:
        output[0, 4] = output[0, 3]
    outputs[0][0, 4] += 7
    swapped = [output.copy() for output in outputs]
    for output in swapped:
        output[0, [3, 4]] = output[0, [4, 3]]
    assert ranked_difference(outputs, swapped) == 0
    swapped[0][0, 3, 0] += 2
    assert ranked_difference(outputs, swapped) == pytest.approx(2, abs=1e-3)


def test_pseudo_labels_teach_what_is_certain_and_leave_out_what_is_doubtful() -> None:
    boxes = np.array([[0, 0, 20, 20], [30, 0, 50, 20], [60, 0, 80, 20], [60, 60, 80, 70]], np.float32)
    corners = np.repeat(boxes[:, None, :2], 4, axis=1)
    found = Detections(boxes, np.array([0.9, 0.3, 0.05, 0.9], np.float32), np.array([1, 2, 1, PLATE]), corners)
    scene = completed(empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]), found)
    assert scene.boxes.tolist() == boxes[:1].tolist(), "one certain vehicle; plates were labelled and had none"
    assert np.isnan(scene.corners).all()
    assert scene.ignored.tolist() == boxes[1:2].tolist()
    assert scene.ignored_groups.tolist() == [VEHICLES]
    scene = completed(empty_scene(np.zeros((100, 100, 3), np.uint8), [PLATES]), found)
    assert scene.classes.tolist() == [PLATE]
    assert scene.corners[0].tolist() == corners[3].tolist()


def test_a_labelled_vehicle_is_not_labelled_again() -> None:
    box = np.array([[0, 0, 20, 20]], np.float32)
    scene = replace(
        empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]),
        boxes=box,
        classes=np.array([3]),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
    found = Detections(box + 1, np.array([0.9], np.float32), np.array([1]), np.zeros((1, 4, 2), np.float32))
    assert completed(scene, found).classes.tolist() == [3]


def test_vehicles_stay_unknown_where_none_is_found_around_a_plate() -> None:
    scene = replace(
        empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]),
        boxes=np.array([[40, 40, 60, 50]], np.float32),
        classes=np.array([PLATE]),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
    for car, unknown in (([20, 20, 80, 60], []), ([0, 0, 20, 20], [VEHICLES])):
        found = Detections(
            np.array([car], np.float32), np.array([0.9], np.float32), np.array([1]), np.zeros((1, 4, 2), np.float32)
        )
        labelled = completed(scene, found)
        assert labelled.classes.tolist() == [PLATE, 1]
        assert labelled.ignored_groups.tolist() == unknown
