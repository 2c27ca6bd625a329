from __future__ import annotations

import numpy as np

from detector.handler import cut
from detector.search import Found, FoundPlate
from platelane.crops import rectify_plate
from platelane.geometry import Box


def test_every_plate_is_cut_by_its_corners_by_the_second_ones_and_by_its_box() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = (Box(20, 30, 120, 70), Box(150, 100, 250, 150))
    slants = [box.corners() + np.array([[0, 8], [0, 0], [0, -8], [0, 0]], np.float32) for box in boxes]
    again = [corners + np.float32(1) for corners in slants]
    plates = tuple(FoundPlate(*corners, 0.9, None) for corners in zip(boxes, slants, again, strict=True))
    crops = cut(photo, Found(plates, ()), [])
    others = [again[0], boxes[0].corners(), again[1], boxes[1].corners()]
    assert crops.plates == [rectify_plate(photo, corners).tobytes() for corners in slants]
    assert crops.other_plates == [rectify_plate(photo, corners).tobytes() for corners in others]
    assert crops.vehicles == []
