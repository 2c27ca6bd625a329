from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.calibration import uncalibrated
from detector.detections import Detections
from detector.search import MAX_PLATES, search
from platelane.pb.v1 import domain_pb2
from platelane.plate_score import least_detection

CAR, PLATE = 1, 0
Row = tuple[float, float, float, float, float, int]


class Scripted:
    """A model that answers from a table, and with nothing after its end, and notes what it was shown."""

    def __init__(self, large: list[list[Row]], second: list[list[Row]] | None = None, small: Row | None = None) -> None:
        """`large` and `small` are seen in the two looks at the whole picture, `second` in the second step."""
        self.answers = [large, [[small] if small else []], second or []]
        self.shapes: list[tuple[int, ...]] = []

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]:
        self.shapes.append(canvases.shape)
        answers = self.answers.pop(0)
        return [_detections(rows) for rows in answers or [[]] * len(canvases)]


def _detections(rows: list[Row]) -> Detections:
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    corners = np.stack([table[:, [0, 1]], table[:, [2, 1]], table[:, [2, 3]], table[:, [0, 3]]], axis=1)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), corners)


def options(**fields: object) -> domain_pb2.Options:
    defaults: dict[str, object] = {
        "threshold_detection": 0.2,
        "threshold_text": 0.6,
        "plates_per_vehicle": 1,
        "zoom_in_vehicles": 4,
    }
    return domain_pb2.Options(**(defaults | fields))  # type: ignore[arg-type]


PHOTO = np.zeros((720, 1280, 3), dtype=np.uint8)
WHOLE = [(1, 384, 640, 3), (1, 320, 320, 3)]
CAR_FAR: Row = (320, 170, 380, 230, 0.9, CAR)  # in the 640 x 384 canvas: 120 x 120 pixels of the photo


async def test_fast_mode_is_one_look() -> None:
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.5, PLATE)]])
    found = await search(model, PHOTO, options(mode=domain_pb2.MODE_FAST))
    assert model.shapes == [(1, 288, 480, 3)]
    assert len(found.plates) == len(found.vehicles) == 1
    assert found.plates[0].vehicle == 0
    # 1280 pixels are 480 there, below 9 pixels of margin
    assert (found.vehicles[0].box.xmin, found.vehicles[0].box.ymin) == pytest.approx((853, 429), abs=1)


async def test_redaction_keeps_every_plate_and_others_so_many() -> None:
    plates: list[Row] = [(10 * i, 40 * j, 10 * i + 8, 40 * j + 4, 0.9, PLATE) for i in range(14) for j in range(5)]
    everything = await search(Scripted([plates]), PHOTO, options(mode=domain_pb2.MODE_REDACTION))
    assert len(everything.plates) == 70
    assert len((await search(Scripted([plates]), PHOTO, options())).plates) == MAX_PLATES


async def test_what_only_the_small_look_shows_is_found_in_its_place() -> None:
    # 1280 pixels are 320 there: a quarter, below 70 pixels of margin
    (vehicle,) = (await search(Scripted([[]], small=(0, 70, 320, 250, 0.9, CAR)), PHOTO, options())).vehicles
    np.testing.assert_allclose(
        [vehicle.box.xmin, vehicle.box.ymin, vehicle.box.xmax, vehicle.box.ymax], [0, 0, 1280, 720], atol=1
    )


async def test_a_vehicle_of_which_another_hides_most_is_found() -> None:
    before: Row = (100, 100, 400, 300, 0.9, CAR)
    behind: Row = (110, 110, 210, 290, 0.5, CAR)
    fast = options(mode=domain_pb2.MODE_FAST)
    assert len((await search(Scripted([[before, behind]]), PHOTO, fast)).vehicles) == 2
    again: Row = (110, 100, 400, 290, 0.5, CAR)
    assert len((await search(Scripted([[before, again]]), PHOTO, fast)).vehicles) == 1


async def test_a_near_vehicle_is_left_to_the_small_look() -> None:
    near: Row = (300, 150, 400, 250, 0.9, CAR)  # a part of what the small look sees whole, perhaps
    found = await search(Scripted([[CAR_FAR, near]]), PHOTO, options(zoom_in_vehicles=0))
    (vehicle,) = found.vehicles
    assert vehicle.box.xmax - vehicle.box.xmin == pytest.approx(120)


async def test_a_doubtful_vehicle_is_found_and_not_looked_at_again() -> None:
    doubtful: Row = (100, 170, 160, 230, 0.15, CAR)
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE), doubtful]])
    assert len((await search(model, PHOTO, options())).vehicles) == 2
    assert model.shapes == WHOLE


async def test_a_small_vehicle_is_looked_at_again_and_its_plate_is_placed_in_the_photo() -> None:
    model = Scripted([[CAR_FAR]], [[(140, 260, 180, 275, 0.8, PLATE)]])
    found = await search(model, PHOTO, options())
    assert model.shapes == [*WHOLE, (1, 320, 320, 3)]
    (plate,) = found.plates
    assert plate.vehicle == 0
    car = found.vehicles[0].box
    assert plate.box.intersection(car) == plate.box.area
    np.testing.assert_allclose(plate.corners[0], [plate.box.xmin, plate.box.ymin], atol=1)


async def test_a_vehicle_that_fills_the_frame_is_not_enlarged() -> None:
    model = Scripted([[]], small=(5, 75, 315, 245, 0.9, CAR))
    await search(model, PHOTO, options())
    assert model.shapes == WHOLE


async def test_zoom_in_vehicles_limits_the_second_step() -> None:
    cars: list[Row] = [(x, 150, x + 60, 210, 0.9, CAR) for x in (0, 100, 200, 300)]
    model = Scripted([cars], [[], []])
    await search(model, PHOTO, options(zoom_in_vehicles=2))
    assert model.shapes[2][0] == 2


async def test_a_picture_that_is_little_more_than_a_plate_is_looked_at_from_farther_away() -> None:
    crop = np.zeros((100, 200, 3), dtype=np.uint8)
    nothing: list[Row] = []
    # with a margin of one width on each side the crop is a third of the canvas: 107 pixels wide
    model = Scripted([nothing], [[(112, 140, 208, 180, 0.9, PLATE)]])
    (plate,) = (await search(model, crop, options())).plates
    assert model.shapes == [(1, 320, 320, 3)] * 3
    np.testing.assert_allclose(
        [plate.box.xmin, plate.box.ymin, plate.box.xmax, plate.box.ymax], [10, 13, 190, 88], atol=2
    )


async def test_a_doubtful_plate_is_looked_for_again_on_its_vehicle_and_the_better_find_counts() -> None:
    # the same place: 40 x 12 pixels of the photo, in the vehicle of 120 x 120 that fills 276 pixels of the closer look
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.5, PLATE)]], [[(115, 253, 207, 281, 0.9, PLATE)]])
    (plate,) = (await search(model, PHOTO, options())).plates
    assert model.shapes == [*WHOLE, (1, 320, 320, 3)]
    assert uncalibrated(plate.score) == pytest.approx(0.9, abs=1e-3)


async def test_a_certain_plate_is_not_looked_for_again() -> None:
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE)]])
    assert len((await search(model, PHOTO, options())).plates) == 1
    assert model.shapes == WHOLE


async def test_strict_detection_drops_plates_outside_vehicles() -> None:
    alone: Row = (10, 300, 60, 320, 0.9, PLATE)
    fast = options(mode=domain_pb2.MODE_FAST)
    assert len((await search(Scripted([[alone]]), PHOTO, fast)).plates) == 1
    fast.strict_detection = True
    assert not (await search(Scripted([[alone]]), PHOTO, fast)).plates


@pytest.mark.parametrize(("second", "shown"), [(0.3, {1: 1, 2: 2, 0: 2}), (0.8, {1: 2, 2: 2, 0: 2})])
async def test_of_one_vehicle_as_many_plates_as_allowed_are_read_and_those_that_may_be_the_right_ones(
    second: float, shown: dict[int, int]
) -> None:
    rows: list[Row] = [
        (0, 12, 600, 372, 0.9, CAR),
        (100, 300, 150, 315, 0.9, PLATE),
        (300, 300, 350, 315, second, PLATE),
    ]
    for limit, count in shown.items():
        chosen = options(mode=domain_pb2.MODE_FAST, plates_per_vehicle=limit)
        assert len((await search(Scripted([rows]), PHOTO, chosen)).plates) == count


async def test_what_a_reading_may_lift_over_the_threshold_is_found() -> None:
    def scored(score: float) -> Scripted:
        return Scripted([[(10, 300, 60, 320, score, PLATE)]])

    limit = uncalibrated(least_detection(0.5))
    fast = options(mode=domain_pb2.MODE_FAST, threshold_detection=0.5)
    assert (await search(scored(limit + 0.01), PHOTO, fast)).plates
    assert not (await search(scored(limit - 0.01), PHOTO, fast)).plates
