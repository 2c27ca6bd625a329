from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from training.detector.model import PLATE, TOP_K, Decoder, Detector, Predictions  # noqa: E402
from training.detector.train import ranked_difference  # noqa: E402


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
    )


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (32, 32)])
def test_every_cell_of_every_level_predicts_and_none_twice(height: int, width: int) -> None:
    found = Detector().eval()(torch.zeros(2, height, width, 3, dtype=torch.uint8))
    cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    assert found.logits.shape == (2, cells, 5)
    assert found.boxes.shape == (2, cells, 4)
    assert len({tuple(point) for point in found.points.tolist()}) == cells
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
