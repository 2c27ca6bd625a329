"""Random views of scenes, so that plates and vehicles appear in all sizes and slants."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import GREY
from training.detector.model import PLATE
from training.detector.scenes import PLATES, VEHICLES, Integers, Scene, moved

NARROWEST_CLOSE_UP: Final = 40.0
"""Least width in pixels of a plate to cut out as a picture of its own."""

FOCUS: Final = np.array([1.5, 1.0, 1.5, 1.5, 3.0, 1.0])
"""How often a view is centred on an object of a class, by class index; rare classes more often."""

STRETCHED: Final = 0.15
"""Share of the views that are stretched by a factor of up to two, like pictures that were resized to squares."""

SMALLEST: Final = {PLATES: (7.0, 3.0), VEHICLES: (9.0, 9.0)}
"""Objects with a smaller width or height, in pixels, are ignored."""

SHOWN: Final = {PLATES: 0.6, VEHICLES: 0.25}
"""Share of an object that must be visible in a view for it to be a label."""


def view(scene: Scene, height: int, width: int, random: np.random.Generator, whole: bool = False) -> Scene:
    """A random part of a scene at a random scale: one of its objects gets a random size and place.

    With `whole`, the view contains the whole picture, at any size up to its own: a letterbox.
    """
    farthest = 0.35 if random.random() < STRETCHED else 0.12
    stretch = math.exp(random.uniform(-farthest, farthest))
    focus, scale = (_fitted if whole else _focus)(scene, height, width, random)
    if whole:
        scale /= max(stretch, 1 / stretch)
    image, scale_x, scale_y = scene.image, scale * stretch, scale / stretch
    before = np.eye(3)
    if scale < 0.75:
        size = (max(1, round(image.shape[1] * scale_x)), max(1, round(image.shape[0] * scale_y)))
        before = np.diag([size[0] / image.shape[1], size[1] / image.shape[0], 1.0])
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    posture, far = _posture(random)
    matrix = _affine(
        (scene.image.shape[1], scene.image.shape[0]), focus, (scale_x, scale_y), posture, (width, height), random
    )
    warped = cv2.warpAffine(
        image,
        (matrix @ np.linalg.inv(before))[:2],
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(GREY, GREY, GREY),
    )
    return clipped(transformed(replace(scene, image=np.asarray(warped, np.uint8)), matrix, exact=far))


def cut_around_plate(scene: Scene, random: np.random.Generator) -> Scene:
    """A plate of the scene with a margin, as a picture of its own; the scene itself if no plate is wide enough."""
    wide = wide_plates(scene)
    if len(wide) == 0:
        return scene
    low, high = scene.boxes[random.choice(wide)].reshape(2, 2)
    margins = (high - low) * random.uniform(-0.02, 0.6) * random.uniform(0.3, 1.0, (2, 2))
    picture = np.array(scene.image.shape[1::-1])
    left, top = np.clip(np.floor(low - margins[0]), 0, picture - 1).astype(int)
    right, bottom = np.clip(np.ceil(high + margins[1]), (left + 1, top + 1), picture).astype(int)
    part = replace(scene, image=scene.image[top:bottom, left:right])
    return clipped(moved(part, -left, -top))


def wide_plates(scene: Scene) -> Integers:
    """Indices of the plates from which `cut_around_plate` chooses."""
    return np.flatnonzero((scene.classes == PLATE) & (scene.boxes[:, 2] - scene.boxes[:, 0] >= NARROWEST_CLOSE_UP))


def transformed(scene: Scene, matrix: NDArray[np.float64], exact: bool) -> Scene:
    """The labels of a scene under an affine map (3, 3); its picture must already be mapped.

    A box becomes the box around its mapped outline. For vehicles the outline is an octagon, because they rarely fill
    their corners. With `exact`, plates get the box around their corners, and are ignored if these are unknown.
    """
    cut = np.where(scene.groups == PLATES, 0.0, 0.2)[:, None]
    low, high = scene.boxes[:, None, :2], scene.boxes[:, None, 2:]
    along = np.stack([cut, 1 - cut, cut * 0 + 1, cut * 0 + 1, 1 - cut, cut, cut * 0, cut * 0], axis=1)
    across = np.roll(along, 2, axis=1)
    outline = _mapped(low + np.concatenate([along, across], axis=2) * (high - low), matrix)
    boxes = np.concatenate([outline.min(axis=1), outline.max(axis=1)], axis=1)
    corners = _mapped(scene.corners, matrix)
    if np.linalg.det(matrix[:2, :2]) < 0:  # mirrored: the left corners are on the right now
        corners = corners[:, [1, 0, 3, 2]]
    if exact:
        around = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        boxes = np.where(np.isnan(around), boxes, around)
    areas = _mapped(np.stack([scene.ignored[:, [0, 2, 2, 0]], scene.ignored[:, [1, 1, 3, 3]]], axis=-1), matrix)
    ignored = np.concatenate([areas.min(axis=1), areas.max(axis=1)], axis=1)
    taught = ~((scene.classes == PLATE) & np.isnan(corners).any(axis=(1, 2)) & exact)
    return replace(
        scene,
        boxes=boxes[taught].astype(np.float32),
        classes=scene.classes[taught],
        corners=corners[taught].astype(np.float32),
        ignored=np.concatenate([ignored, boxes[~taught]]).astype(np.float32),
        ignored_groups=np.concatenate([scene.ignored_groups, np.full((~taught).sum(), PLATES, np.int64)]),
    )


def clipped(scene: Scene) -> Scene:
    """Clip objects to the picture; those that are barely visible, or tiny, become ignored areas."""
    height, width = scene.image.shape[:2]
    limit = np.array([width, height, width, height], np.float32)
    boxes = np.clip(scene.boxes, 0, limit)
    shown = _areas(boxes) / np.maximum(_areas(scene.boxes), 1e-6)
    size = boxes[:, 2:] - boxes[:, :2]
    smallest = np.array([SMALLEST[PLATES], SMALLEST[VEHICLES]], np.float32)[scene.groups]
    enough = np.array([SHOWN[PLATES], SHOWN[VEHICLES]], np.float32)[scene.groups]
    taught = (shown >= enough) & (size >= smallest).all(axis=1)
    hidden = ~taught & (_areas(boxes) > 0)
    corners = np.where((shown < 0.95)[:, None, None], np.nan, scene.corners)
    ignored = np.concatenate([np.clip(scene.ignored, 0, limit), boxes[hidden]])
    groups = np.concatenate([scene.ignored_groups, scene.groups[hidden]])
    visible = _areas(ignored) > 0
    return replace(
        scene,
        boxes=boxes[taught],
        classes=scene.classes[taught],
        corners=corners[taught].astype(np.float32),
        ignored=ignored[visible].astype(np.float32),
        ignored_groups=groups[visible],
    )


def _focus(scene: Scene, height: int, width: int, random: np.random.Generator) -> tuple[tuple[float, float], float]:
    """A point of the scene to show, and the scale to show it at."""
    picture_height, picture_width = scene.image.shape[:2]
    fit = min(width / picture_width, height / picture_height)
    if len(scene.boxes) == 0:
        x, y = random.uniform(0, picture_width), random.uniform(0, picture_height)
        return (x, y), fit * math.exp(random.uniform(math.log(0.6), math.log(2.0)))
    chances = FOCUS[scene.classes]
    index = int(random.choice(len(chances), p=chances / chances.sum()))
    xmin, ymin, xmax, ymax = (float(side) for side in scene.boxes[index])
    if scene.classes[index] == PLATE:
        low, high = (10.0, 110.0) if random.random() < 0.75 else (60.0, 0.9 * width)
    else:
        low, high = (24.0, 1.15 * width)
    wanted = math.exp(random.uniform(math.log(low), math.log(max(low, high))))
    scale = wanted / max(1.0, xmax - xmin)
    smallest = 0.5 * max(width / picture_width, height / picture_height)
    return ((xmin + xmax) / 2, (ymin + ymax) / 2), min(max(scale, smallest), max(2.5, smallest), 4 * fit)


def _fitted(scene: Scene, height: int, width: int, random: np.random.Generator) -> tuple[tuple[float, float], float]:
    """The centre of a picture, and a scale at which the view shows all of it."""
    picture_height, picture_width = scene.image.shape[:2]
    fit = min(width / picture_width, height / picture_height)
    scale = fit * math.exp(random.uniform(math.log(0.25), 0.0))
    return (picture_width / 2, picture_height / 2), min(scale, 4.0)


def _posture(random: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """A rotation and slant (3, 3) about the origin, and whether it is so large that boxes must be made from corners.

    A plate seen from the side has vertical sides and a sloping top, which is a slant along y.
    """
    kind = random.random()
    angle = slope = 0.0
    if kind < 0.1:
        angle = math.radians(random.uniform(-20, 20))
    elif kind < 0.3:
        angle, slope = math.radians(random.uniform(-5, 5)), random.uniform(-0.45, 0.45)
    elif kind < 0.65:
        angle = math.radians(random.uniform(-4, 4))
    slant = random.uniform(-0.12, 0.12) if angle else 0.0
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = np.array([[cos, slant - sin, 0], [sin, cos, 0], [0, 0, 1]])
    return rotation @ np.array([[1, 0, 0], [slope, 1, 0], [0, 0, 1]]), kind < 0.3


def _affine(
    picture: tuple[int, int],
    focus: tuple[float, float],
    scales: tuple[float, float],
    posture: NDArray[np.float64],
    canvas: tuple[int, int],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Map (3, 3) from the picture to the canvas, sizes (width, height): scaled, rotated about the focus, mirrored."""
    mirrored = random.random() < 0.5
    shift = []
    for side, point, scale, room in zip(picture, focus, scales, canvas, strict=True):
        spare = room - side * scale
        wanted = room * random.uniform(0.1, 0.9) - point * scale
        shift.append(min(max(wanted, min(0.0, spare)), max(0.0, spare)))
    place = np.array([[scales[0], 0, shift[0]], [0, scales[1], shift[1]], [0, 0, 1]])
    x, y = (point * scale + offset for point, scale, offset in zip(focus, scales, shift, strict=True))
    matrix = _translation(x, y) @ posture @ _translation(-x, -y) @ place
    if mirrored:
        matrix = np.array([[-1, 0, canvas[0]], [0, 1, 0], [0, 0, 1]]) @ matrix
    return np.asarray(matrix, np.float64)


def _translation(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _mapped(points: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 2) under an affine map."""
    mapped: NDArray[np.float64] = points @ matrix[:2, :2].T + matrix[:2, 2]
    return mapped


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: NDArray[np.floating] = size[:, 0] * size[:, 1]
    return areas
