"""What the detector sees while it trains: views of scenes, mosaics of four, and batches of them.

In production, it sees letterboxed photographs and enlarged vehicles; the views include such pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from training.detector.augment import degrade, write_overlay
from training.detector.lettering import LETTERED, lettered
from training.detector.loss import NOTHING, Targets
from training.detector.scenes import Floats, Scene, Scenes, joined, moved
from training.detector.views import cut_around_plate, view, wide_plates

CLOSE_UPS: Final = 0.14
"""Share of pictures that show little more than a plate."""

REDRAWN: Final = 0.35
"""Share of the photographs in which drawn plates replace the real ones."""

OVERLAID: Final = 0.15
"""Share of the pictures with burnt-in camera text."""

Redrawn = Callable[[Scene, np.random.Generator], Scene]
"""A function that replaces the plates of a scene by others."""


class Composer:
    """Makes training views out of scenes."""

    def __init__(self, scenes: Scenes, random: np.random.Generator, redrawn: Redrawn | None = None) -> None:
        self.scenes = scenes
        self.random = random
        self.redrawn = redrawn
        """Puts drawn plates into some of the photographs; if given, vehicles also get writing."""
        close = scenes.weights * np.array([len(wide_plates(photo)) > 0 for photo in scenes.photos])
        self._close_chances = close / close.sum() if close.any() else scenes.weights

    def batch(self, height: int, width: int, count: int) -> tuple[Tensor, Targets]:
        """UINT8 pictures (count, height, width, 3) and their targets."""
        return collate([self.picture(height, width) for _ in range(count)])

    def picture(self, height: int, width: int) -> Scene:
        """One training picture: a view or a mosaic, sometimes degraded."""
        scene = self._mosaic(height, width) if self.random.random() < 0.5 else self._view(height, width)
        if self.redrawn and self.random.random() < LETTERED:
            scene = lettered(scene, self.random)
        if self.random.random() < OVERLAID:
            write_overlay(scene, self.random)
        return replace(scene, image=degrade(scene.image, self.random))

    def _mosaic(self, height: int, width: int) -> Scene:
        x = int(width * self.random.uniform(0.3, 0.7))
        y = int(height * self.random.uniform(0.3, 0.7))
        tiles = [
            (self._view(tile_height, tile_width), dx, dy)
            for dy, tile_height in ((0, y), (y, height - y))
            for dx, tile_width in ((0, x), (x, width - x))
        ]
        rows = [np.hstack([tiles[i][0].image, tiles[i + 1][0].image]) for i in (0, 2)]
        return joined(np.vstack(rows), [moved(tile, dx, dy) for tile, dx, dy in tiles])

    def _view(self, height: int, width: int) -> Scene:
        if self.random.random() < CLOSE_UPS:
            return view(self._close_up(), height, width, self.random, whole=True)
        return view(self._scene(), height, width, self.random)

    def _close_up(self) -> Scene:
        """A picture of little more than a plate: a labelled crop, or cut from a photograph."""
        if self.scenes.close_ups and self.random.random() < 0.5:
            return self._one_of(self.scenes.close_ups)
        return cut_around_plate(self._photo(self._close_chances), self.random)

    def _scene(self) -> Scene:
        kind = self.random.random()
        if kind < 0.1 and self.scenes.negatives:
            return self._one_of(self.scenes.negatives)
        if kind < 0.18 and self.scenes.crops:
            return self._collage()
        return self._photo(self.scenes.weights)

    def _photo(self, chances: Floats) -> Scene:
        photo = self.scenes.photos[self.random.choice(len(self.scenes.photos), p=chances)]
        return self.redrawn(photo, self.random) if self.redrawn and self.random.random() < REDRAWN else photo

    def _collage(self) -> Scene:
        """A vehicle crop pasted into a picture without vehicles."""
        crop = self._one_of(self.scenes.crops)
        if not self.scenes.negatives:
            return crop
        height, width = (round(side * self.random.uniform(1.1, 2.0)) for side in crop.image.shape[:2])
        image = cv2.resize(self._one_of(self.scenes.negatives).image, (width, height))
        y = int(self.random.integers(0, height - crop.image.shape[0] + 1))
        x = int(self.random.integers(0, width - crop.image.shape[1] + 1))
        image[y : y + crop.image.shape[0], x : x + crop.image.shape[1]] = crop.image
        return joined(np.asarray(image, np.uint8), [moved(crop, x, y)])

    def _one_of(self, scenes: list[Scene]) -> Scene:
        return scenes[self.random.integers(len(scenes))]


def collate(scenes: Sequence[Scene]) -> tuple[Tensor, Targets]:
    """A batch of scenes of equal size; labels are padded."""
    objects = max(1, *(len(scene.boxes) for scene in scenes))
    areas = max(1, *(len(scene.ignored) for scene in scenes))
    count = len(scenes)
    boxes = np.zeros((count, objects, 4), np.float32)
    classes = np.full((count, objects), NOTHING, np.int64)
    corners = np.full((count, objects, 8), np.nan, np.float32)
    ignored = np.zeros((count, areas, 4), np.float32)
    groups = np.zeros((count, areas), np.int64)
    for index, scene in enumerate(scenes):
        n, m = len(scene.boxes), len(scene.ignored)
        boxes[index, :n], classes[index, :n] = scene.boxes, scene.classes
        corners[index, :n] = scene.corners.reshape(-1, 8)
        ignored[index, :m], groups[index, :m] = scene.ignored, scene.ignored_groups
    images = torch.from_numpy(np.stack([scene.image for scene in scenes]))
    return images, Targets(*(torch.from_numpy(part) for part in (boxes, classes, corners, ignored, groups)))
