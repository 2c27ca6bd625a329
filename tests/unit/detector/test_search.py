from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from detector import tiling
from detector.calibration import Calibration
from detector.detections import Detections
from detector.search import Found, Model, in_time
from detector.search import search as search_until
from platelane.pb.v1 import domain_pb2
from platelane.reporting import MAX_PLATES
from platelane.vision.crops import Image
from tests.models import CALIBRATION, DSCORE

CAR, PLATE = 1, 0
Row = tuple[float, float, float, float, float, int]


class Scripted:
    """A model that answers from a table, and with nothing after its end, and notes what it was shown."""

    def __init__(self, large: list[list[Row]], second: list[list[Row]] | None = None, small: Row | None = None) -> None:
        """`large` and `small` are seen in the two views at the whole picture, `second` in the second step."""
        self.answers = [large, [[small] if small else []], second or []]
        self.shapes: list[tuple[int, ...]] = []

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]:
        self.shapes.append(canvases.shape)
        answers = self.answers.pop(0) if self.answers else []
        return [_detections(rows) for rows in [*answers, *[[]] * (len(canvases) - len(answers))]]


async def search(model: Model, image: Image, options: domain_pb2.Options, calibration: Calibration) -> Found:
    """With all the time in the world."""
    return await search_until(model, image, options, calibration, math.inf)


def _detections(rows: list[Row]) -> Detections:
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    corners = np.stack([table[:, [0, 1]], table[:, [2, 1]], table[:, [2, 3]], table[:, [0, 3]]], axis=1)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), corners)


def options(**fields: object) -> domain_pb2.Options:
    defaults: dict[str, object] = {
        "threshold_detection": 0.2,
        "threshold_text": 0.6,
        "plates_per_vehicle": 1,
    }
    return domain_pb2.Options(**(defaults | fields))  # type: ignore[arg-type]


PHOTO = np.zeros((720, 1280, 3), dtype=np.uint8)
WHOLE = [(1, 384, 640, 3), (1, 320, 320, 3)]
TILES = (4, 384, 640, 3)
CAR_FAR: Row = (320, 170, 380, 230, 0.9, CAR)  # in the 640 x 384 canvas: 120 x 120 pixels of the photo


async def test_fast_mode_is_one_look() -> None:
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.5, PLATE)]])
    found = await search(model, PHOTO, options(mode=domain_pb2.MODE_FAST), CALIBRATION)
    assert model.shapes == [(1, 288, 480, 3)]
    assert len(found.plates) == len(found.vehicles) == 1
    assert found.plates[0].vehicle == 0
    # 1280 pixels are 480 there, below 9 pixels of margin
    assert (found.vehicles[0].box.xmin, found.vehicles[0].box.ymin) == pytest.approx((853, 429), abs=1)


async def test_redaction_keeps_every_plate_and_others_so_many() -> None:
    plates: list[Row] = [(10 * i, 40 * j, 10 * i + 8, 40 * j + 4, 0.9, PLATE) for i in range(14) for j in range(5)]
    everything = await search(Scripted([plates]), PHOTO, options(mode=domain_pb2.MODE_REDACTION), CALIBRATION)
    assert len(everything.plates) == 70
    assert len((await search(Scripted([plates]), PHOTO, options(), CALIBRATION)).plates) == MAX_PLATES


async def test_what_only_the_small_look_shows_is_found_in_its_place() -> None:
    # 1280 pixels are 320 there: a quarter, below 70 pixels of margin
    (vehicle,) = (
        await search(Scripted([[]], small=(0, 70, 320, 250, 0.9, CAR)), PHOTO, options(), CALIBRATION)
    ).vehicles
    np.testing.assert_allclose(
        [vehicle.box.xmin, vehicle.box.ymin, vehicle.box.xmax, vehicle.box.ymax], [0, 0, 1280, 720], atol=1
    )


async def test_a_vehicle_of_which_another_hides_most_is_found() -> None:
    before: Row = (100, 100, 400, 300, 0.9, CAR)
    behind: Row = (110, 110, 210, 290, 0.5, CAR)
    fast = options(mode=domain_pb2.MODE_FAST)
    assert len((await search(Scripted([[before, behind]]), PHOTO, fast, CALIBRATION)).vehicles) == 2
    again: Row = (110, 100, 400, 290, 0.5, CAR)
    assert len((await search(Scripted([[before, again]]), PHOTO, fast, CALIBRATION)).vehicles) == 1


async def test_a_near_vehicle_is_left_to_the_small_look() -> None:
    near: Row = (300, 150, 400, 250, 0.9, CAR)  # a part of what the small view sees whole, perhaps
    found = await search(Scripted([[CAR_FAR, near]]), PHOTO, options(zoom_in_vehicles=0), CALIBRATION)
    (vehicle,) = found.vehicles
    assert vehicle.box.xmax - vehicle.box.xmin == pytest.approx(120)


async def test_a_doubtful_vehicle_is_found_and_not_looked_at_again() -> None:
    doubtful: Row = (100, 170, 160, 230, 0.15, CAR)
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE), doubtful]])
    assert len((await search(model, PHOTO, options(), CALIBRATION)).vehicles) == 2
    assert model.shapes == WHOLE


async def test_a_small_vehicle_is_looked_at_again_and_its_plate_is_placed_in_the_photo() -> None:
    model = Scripted([[CAR_FAR]], [[(140, 260, 180, 275, 0.8, PLATE)]])
    found = await search(model, PHOTO, options(), CALIBRATION)
    assert model.shapes == [*WHOLE, (1, 320, 320, 3), TILES]
    (plate,) = found.plates
    assert plate.vehicle == 0
    car = found.vehicles[0].box
    assert plate.box.intersection(car) == plate.box.area
    np.testing.assert_allclose(plate.corners[0], [plate.box.xmin, plate.box.ymin], atol=1)


async def test_a_picture_without_a_sure_plate_is_shown_in_tiles() -> None:
    # a vehicle that fills the frame is not enlarged; the last tile begins at 40 % of the width and height
    model = Scripted([[]], [[], [], [], [(400, 256, 480, 280, 0.9, PLATE)]], small=(5, 75, 315, 245, 0.9, CAR))
    (plate,) = (await search(model, PHOTO, options(), CALIBRATION)).plates
    assert model.shapes == [*WHOLE, TILES]
    scale = 640 / 768
    assert (plate.box.xmin, plate.box.ymin) == pytest.approx(
        (512 + 400 / scale, 288 + (256 - (384 - 432 * scale) / 2) / scale), abs=1
    )


async def test_a_large_vehicle_without_a_plate_beside_one_with_is_shown_in_tiles_of_its_own() -> None:
    near: Row = (170, 75, 310, 245, 0.9, CAR)  # in the small view: 560 x 680 pixels of the photo
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE)]], small=near)
    picture = np.zeros((1440, 2560, 3), dtype=np.uint8)
    await search(model, picture, options(), CALIBRATION)
    assert model.shapes == WHOLE
    narrow: Row = (180, 75, 240, 245, 0.9, CAR)
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE)]], small=narrow)
    await search(model, picture, options(), CALIBRATION)
    assert model.shapes == [*WHOLE, (4, 320, 320, 3)]


async def test_the_number_of_closer_views_follows_the_vehicles_without_a_sure_plate() -> None:
    cars: list[Row] = [(x, y, x + 20, y + 24, 0.9, CAR) for x in range(0, 600, 60) for y in range(20, 340, 60)]
    plates: list[Row] = [(x + 5, y + 16, x + 15, y + 20, 0.9, PLATE) for x, y, *_ in cars[:20]]
    model = Scripted([[*cars, *plates]])
    found = await search(model, PHOTO, options(), CALIBRATION)
    assert len(found.plates) == 20
    assert model.shapes == [*WHOLE, (len(cars) - 20, 320, 320, 3)]


async def test_no_vehicle_is_enlarged_on_which_no_plate_could_be_read() -> None:
    tiny: Row = (100, 170, 118, 188, 0.9, CAR)  # 36 pixels of the photo
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE), tiny]])
    await search(model, PHOTO, options(), CALIBRATION)
    assert model.shapes == WHOLE


async def test_there_is_no_second_step_without_time() -> None:
    model = Scripted([[CAR_FAR]])
    assert (await search_until(model, PHOTO, options(), CALIBRATION, 0.0)).vehicles
    assert model.shapes == WHOLE


def test_the_second_step_takes_half_of_the_time_that_is_left() -> None:
    views = tiling.tiles(PHOTO)
    pixels = 384 * 640
    wanted = [views, views[:1], views[:1]]
    # 4 + 1 of the 6 views in a second of the two that are left
    assert in_time(wanted, 1 / (5 * pixels), 2.0) == [*views, views[0]]
    assert in_time(wanted, 1 / (3 * pixels), 2.0) == []


async def test_zoom_in_vehicles_limits_the_second_step() -> None:
    cars: list[Row] = [(x, 150, x + 60, 210, 0.9, CAR) for x in (0, 100, 200, 300)]
    model = Scripted([cars], [[], []])
    await search(model, PHOTO, options(zoom_in_vehicles=2), CALIBRATION)
    assert model.shapes == [*WHOLE, (2, 320, 320, 3)]


async def test_a_picture_that_is_little_more_than_a_plate_is_looked_at_from_farther_away() -> None:
    crop = np.zeros((100, 200, 3), dtype=np.uint8)
    nothing: list[Row] = []
    # with a margin of one width on each side the crop is a third of the canvas: 107 pixels wide
    model = Scripted([nothing], [[(112, 140, 208, 180, 0.9, PLATE)]])
    (plate,) = (await search(model, crop, options(), CALIBRATION)).plates
    # from farther away and in tiles, and at last turned
    assert model.shapes == [*[(1, 320, 320, 3)] * 2, (5, 320, 320, 3), (3, 320, 320, 3)]
    np.testing.assert_allclose(
        [plate.box.xmin, plate.box.ymin, plate.box.xmax, plate.box.ymax], [10, 13, 190, 88], atol=2
    )


async def test_a_doubtful_plate_is_looked_for_again_on_its_vehicle_and_the_better_find_counts() -> None:
    # the same place: 40 x 12 pixels of the photo, in the vehicle of 120 x 120 that fills 276 pixels of the closer view
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.5, PLATE)]], [[(115, 253, 207, 281, 0.9, PLATE)]])
    (plate,) = (await search(model, PHOTO, options(), CALIBRATION)).plates
    assert model.shapes == [*WHOLE, (1, 320, 320, 3), TILES]
    assert CALIBRATION.detection.uncalibrated(plate.score) == pytest.approx(0.9, abs=1e-3)


async def test_a_certain_plate_is_not_looked_for_again() -> None:
    model = Scripted([[CAR_FAR, (340, 220, 360, 226, 0.9, PLATE)]])
    assert len((await search(model, PHOTO, options(), CALIBRATION)).plates) == 1
    assert model.shapes == WHOLE


async def test_strict_detection_drops_plates_outside_vehicles() -> None:
    alone: Row = (10, 300, 60, 320, 0.9, PLATE)
    fast = options(mode=domain_pb2.MODE_FAST)
    assert len((await search(Scripted([[alone]]), PHOTO, fast, CALIBRATION)).plates) == 1
    fast.strict_detection = True
    assert not (await search(Scripted([[alone]]), PHOTO, fast, CALIBRATION)).plates


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
        assert len((await search(Scripted([rows]), PHOTO, chosen, CALIBRATION)).plates) == count


async def test_what_a_reading_may_lift_over_the_threshold_is_found() -> None:
    def scored(score: float) -> Scripted:
        return Scripted([[(10, 300, 60, 320, score, PLATE)]])

    limit = CALIBRATION.detection.uncalibrated(DSCORE.least_detection(0.5))
    fast = options(mode=domain_pb2.MODE_FAST, threshold_detection=0.5)
    assert (await search(scored(limit + 0.01), PHOTO, fast, CALIBRATION)).plates
    assert not (await search(scored(limit - 0.01), PHOTO, fast, CALIBRATION)).plates


class Hanging:
    """A model that finds a car and its plate where white is above black, and else what it is told to, in pixels of the
    canvas."""

    def __init__(self, otherwise: list[Row] | None = None) -> None:
        self.otherwise = otherwise or []
        self.pictures = 0

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]:
        self.pictures += len(canvases)
        return [self._seen(canvas) for canvas in canvases]

    def _seen(self, canvas: NDArray[np.uint8]) -> Detections:
        rows, columns = (np.flatnonzero((canvas != 114).any(axis=(axis, 2))) for axis in (1, 0))
        ymin, ymax, xmin, xmax = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        top, bottom = canvas[ymin + 1, (xmin + xmax) // 2, 0], canvas[ymax - 2, (xmin + xmax) // 2, 0]
        if not (top > 200 and bottom < 50):
            return _detections(self.otherwise)
        width, height = xmax - xmin, ymax - ymin
        plate = (xmin + 0.5 * width, ymin + 0.3 * height, xmin + 0.6 * width, ymin + 0.35 * height, 0.95, PLATE)
        return _detections([(xmin + 0.2 * width, ymin + 0.1 * height, xmin + 0.8 * width, ymax, 0.9, CAR), plate])


UPRIGHT = np.zeros((720, 1280, 3), dtype=np.uint8)
UPRIGHT[:360] = 255


@pytest.mark.parametrize("mode", [domain_pb2.MODE_REGULAR, domain_pb2.MODE_REDACTION])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_turned_picture_is_searched_as_it_hangs_and_answered_as_it_is(
    mode: domain_pb2.Mode, turns: int
) -> None:
    photo = np.ascontiguousarray(np.rot90(UPRIGHT, -turns))
    found = await search(Hanging(), photo, options(mode=mode), CALIBRATION)
    (plate,) = found.plates
    corners = np.array([(640, 216), (768, 216), (768, 252), (640, 252)], dtype=np.float32)
    for height in (720, 1280, 720)[:turns]:
        corners = np.stack([height - corners[:, 1], corners[:, 0]], axis=1)
    np.testing.assert_allclose(plate.corners, corners, atol=4)
    np.testing.assert_allclose(plate.corners_from_box, corners, atol=4, err_msg="begins where the plate's text does")
    assert (plate.box.xmin, plate.box.ymax) == pytest.approx((corners[:, 0].min(), corners[:, 1].max()), abs=4)
    if mode == domain_pb2.MODE_REGULAR:
        assert plate.vehicle == 0


async def test_redaction_covers_an_upright_plate_and_what_else_is_found_on_its_side() -> None:
    on_its_side: Row = (40, 100, 48, 130, 0.7, PLATE)
    found = await search(Hanging([on_its_side]), UPRIGHT, options(mode=domain_pb2.MODE_REDACTION), CALIBRATION)
    assert len(found.plates) > 1
    regular = await search(Hanging([on_its_side]), UPRIGHT, options(), CALIBRATION)
    assert len(regular.plates) == 1


async def test_a_picture_with_a_certain_vehicle_is_not_looked_at_turned() -> None:
    model = Hanging()
    await search(model, UPRIGHT, options(), CALIBRATION)
    assert model.pictures == 2
    await search(model, np.rot90(UPRIGHT), options(mode=domain_pb2.MODE_FAST), CALIBRATION)
    assert model.pictures == 3, "nor is any in the fast mode"


@pytest.mark.parametrize(("upright", "plate", "turned"), [(0.58, 0.5, 0.8), (0.4, 0.9, 0.85), (0.1, 0.5, 0.55)])
async def test_a_vehicle_that_is_hardly_surer_turned_leaves_the_picture_as_it_is(
    upright: float, plate: float, turned: float
) -> None:
    rows: list[Row] = [(320, 170, 380, 230, upright, CAR), (340, 220, 360, 226, plate, PLATE)]
    model = Scripted([rows], [[(100, 100, 200, 200, turned, CAR)], [], []])
    found = await search(model, PHOTO, options(zoom_in_vehicles=0), CALIBRATION)
    assert model.shapes == [*WHOLE, (3, 320, 320, 3)]
    assert found.vehicles[0].score == pytest.approx(upright)


@pytest.mark.parametrize("turned", [0.3, 0.75, 0.95])
async def test_a_plate_that_fills_its_picture_is_no_turned_vehicle(turned: float) -> None:
    """Turned, it looks like a vehicle, and a plate is found there, too: less surely than the one that is there."""
    plate: Row = (60, 100, 260, 220, 0.9, PLATE)
    sideways: list[Row] = [(20, 20, 300, 300, 0.95, CAR), (40, 60, 280, 260, turned, PLATE)]
    picture = np.zeros((320, 320, 3), np.uint8)
    model = Scripted([[plate]], [[sideways[0]], [], []])
    model.answers.append([sideways])
    found = await search(model, picture, options(zoom_in_vehicles=0), CALIBRATION)
    kept = (found.plates[0].box.xmin, found.plates[0].box.ymin) == pytest.approx((60, 100), abs=2)
    assert kept == (turned < 0.9 - 0.1)


async def test_a_faint_find_in_the_turned_picture_takes_no_certain_plates_place() -> None:
    """Even where another plate is found there: each plate counts for itself."""
    plates: list[Row] = [(40, 100, 120, 140, 0.9, PLATE), (200, 100, 280, 140, 0.9, PLATE)]
    half: list[Row] = [
        (320 - xmax, 320 - ymax, 320 - xmin, 320 - ymin, 0.95, PLATE) for xmin, ymin, xmax, ymax, *_ in plates
    ]
    half[1] = (*half[1][:4], 0.3, PLATE)
    picture = np.zeros((320, 320, 3), np.uint8)
    model = Scripted([plates], [[], [(20, 20, 300, 300, 0.95, CAR)], []])
    model.answers.append([half])
    found = await search(model, picture, options(zoom_in_vehicles=0), CALIBRATION)
    assert [round(plate.box.xmin) for plate in found.plates] == [40, 200]
    first, second = (plate.corners[0] for plate in found.plates)
    assert first == pytest.approx((120, 140), abs=2), "as the turned picture shows it"
    assert second == pytest.approx((200, 100), abs=2), "as the unturned picture shows it"


async def test_a_sure_plate_stays_where_the_picture_is_taken_for_turned() -> None:
    sure: Row = (340, 220, 360, 226, 0.9, PLATE)
    # one quarter turn shows a vehicle, and then neither a plate nor a vehicle
    model = Scripted([[sure]], [[(100, 100, 200, 200, 0.8, CAR)], [], []])
    found = await search(model, PHOTO, options(), CALIBRATION)
    (plate,) = found.plates
    assert (plate.box.xmin, plate.box.ymin) == pytest.approx((680, 416), abs=2)
