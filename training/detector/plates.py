"""Drawn plates for the detector: designs that no labelled photograph shows, pasted into photographs."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from platelane.vision.crops import Image
from platelane.vision.geometry import Box
from training.detector.model import PLATE
from training.detector.scenes import Scene
from training.synthesis.catalogue import choose
from training.synthesis.paste import covering, of_shape, pasted, sides
from training.synthesis.plate import render
from training.synthesis.wear import worn

NARROWEST: Final = 24.0
"""Plates narrower than this, in pixels, are not replaced, because it would not be visible."""


DARK: Final = 0.2
"""Share of the drawn plates that are inverted: bright letters on dark paper, which few photographs show."""


@dataclass(frozen=True, slots=True)
class DrawnPlates:
    """A stock of drawn plates, sorted by aspect ratio."""

    plates: list[Image]
    aspects: NDArray[np.float64]

    @classmethod
    def stock(cls, count: int, random: np.random.Generator) -> DrawnPlates:
        """Draw `count` plates with random wear (about 5 ms each)."""
        plates = [_drawn(random) for _ in tqdm(range(count), "drawn plates")]
        plates.sort(key=_aspect)
        return cls(plates, np.array([_aspect(plate) for plate in plates]))

    def over(self, scene: Scene, random: np.random.Generator) -> Scene:
        """The scene with drawn plates of similar shape over the plates with known corners."""
        along = np.array([sides(corners)[0] for corners in scene.corners])
        known = np.flatnonzero((scene.classes == PLATE) & (along >= NARROWEST))
        if len(known) == 0:
            return scene
        image, boxes, corners = scene.image.copy(), scene.boxes.copy(), scene.corners.copy()
        for index in known:
            width, height = sides(corners[index])
            plate = self.plates[of_shape(self.aspects, width / height, random)]
            corners[index] = covering(corners[index], _aspect(plate))
            boxes[index] = astuple(Box.around(corners[index]))
            _paste(image, corners[index], plate, random)
        return replace(scene, image=image, boxes=boxes, corners=corners)


def _drawn(random: np.random.Generator) -> Image:
    plate = render(choose(random), random).image
    if random.random() < DARK:
        plate = ~plate
    return worn(plate, random.random(), random)


def _aspect(plate: Image) -> float:
    height, width = plate.shape[:2]
    return float(width / height)


def _paste(image: Image, corners: NDArray[np.float32], plate: Image, random: np.random.Generator) -> None:
    """Paste in place, passing only the plate's neighbourhood to `pasted`, which processes its whole input."""
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)) - 8, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 8, 1, [width, height]).astype(int)
    area = image[top:bottom, left:right]
    image[top:bottom, left:right] = pasted(area, corners - np.array([left, top], np.float32), plate, random)
