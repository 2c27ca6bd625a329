from __future__ import annotations

import numpy as np

from detector.handler import cut
from detector.search import Found, FoundPlate
from platelane.crops import rectify_plate
from platelane.geometry import Box


def test_every_plate_is_cut_by_its_corners_by_its_box_and_halfway_between() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = (Box(20, 30, 120, 70), Box(150, 100, 250, 150))
    slants = [box.corners() + np.array([[0, 8], [0, 0], [0, -8], [0, 0]], np.float32) for box in boxes]
    plates = tuple(FoundPlate(box, corners, 0.9, None) for box, corners in zip(boxes, slants, strict=True))
    crops = cut(photo, Found(plates, ()), [])
    halfway = [(box.corners() + corners) * np.float32(0.5) for box, corners in zip(boxes, slants, strict=True)]
    others = [boxes[0].corners(), halfway[0], boxes[1].corners(), halfway[1]]
    assert crops.plates == [rectify_plate(photo, corners).tobytes() for corners in slants]
    assert crops.other_plates == [rectify_plate(photo, corners).tobytes() for corners in others]
    assert crops.vehicles == []
