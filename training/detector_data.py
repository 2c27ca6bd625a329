"""What the detector sees while it trains: labelled scenes, random views of them, and batches.

A scene is a picture with everything that is known about it, and with the areas in which something is not known. A view
shows a random part of a scene at a random scale, so that plates and vehicles appear at all sizes; a mosaic joins four
views. Serving sees whole photographs and zoomed vehicles in a letterbox, which are among these views.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from platelane.crops import GREY, Image
from training.data import Part, Row, Split, box, corners
from training.detector_loss import NOTHING, VEHICLE, Targets
from training.detector_model import LABELS, PLATE

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

PLATES, VEHICLES = 0, 1
"""Groups of classes that are labelled, or not, together."""

CLASSES: Final = {name: index for index, name in enumerate(LABELS)} | {"vehicle": VEHICLE, "ambulance": VEHICLE}
CROP_CLASSES: Final = {"Sedan": "car", "SUV": "car", "Van": "car", "Big Truck": "truck", "Bus": "bus"} | {
    "Motorcycle": "motorcycle",
    "Pickup Truck": "vehicle",
}
"""Vehicle crops are labelled by body type."""

CROP_SETS: Final = ("stanford_cars_train", "id_highway", "oi_vehicles")
"""Sets whose vehicle crops fit tightly around the vehicle."""
CROPS_A_TYPE: Final = 500

PLATE_CROPS_A_SET: Final = {"train": 800, "val": 50}

CLOSE_UPS: Final = 0.14
"""Share of the pictures that show little more than a plate."""
NARROWEST_CLOSE_UP: Final = 40.0
"""Width in pixels from which on a photograph's plate may be cut out as such a picture."""

WEIGHTS: Final = {
    "mixed_plates_300": 0.7,
    "id_highway": 3.0,
    "oi_vehicles": 2.5,
    "atl_traffic": 6.0,
    "ro_dashcam_plates": 1.5,
    "oi_license_plates": 2.0,
    "es_ablanco": 1.5,
    "kaggle_carplate_cc0": 2.0,
}
"""How often a picture of a set is shown, 1 where not named: the rare kinds of scene more often."""

FOCUS: Final = np.array([1.5, 1.0, 1.5, 1.5, 3.0, 1.0])
"""How often a view is about an object of a class, by class index: the rare classes more often."""

REDRAWN: Final = 0.35
"""Share of the photographs in which drawn plates replace the real ones."""

SMALLEST: Final = {PLATES: (7.0, 3.0), VEHICLES: (9.0, 9.0)}
"""Width and height in pixels below which an object is neither taught nor held against the model."""
SHOWN: Final = {PLATES: 0.6, VEHICLES: 0.25}
"""Share of an object that must be inside a view for it to be taught."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is known about it, in its pixels."""

    image: Image
    boxes: Floats
    """Shape (N, 4): xmin, ymin, xmax, ymax."""
    classes: Integers
    """Shape (N,): index into `LABELS`, or `VEHICLE`."""
    corners: Floats
    """Shape (N, 4, 2), NaN where not known."""
    ignored: Floats
    """Shape (M, 4): areas in which a group is not (fully) labelled."""
    ignored_groups: Integers
    """Shape (M,): `PLATES` or `VEHICLES`."""

    @property
    def groups(self) -> Integers:
        """Shape (N,): the group of each object."""
        return np.where(self.classes == PLATE, PLATES, VEHICLES).astype(np.int64)


def empty_scene(image: Image, unknown: Collection[int] = ()) -> Scene:
    """A picture without objects; `unknown` names the groups that nobody looked for."""
    height, width = image.shape[:2]
    return Scene(
        image=image,
        boxes=np.zeros((0, 4), np.float32),
        classes=np.zeros(0, np.int64),
        corners=np.zeros((0, 4, 2), np.float32),
        ignored=np.array([[0, 0, width, height]] * len(unknown), np.float32).reshape(-1, 4),
        ignored_groups=np.array(list(unknown), np.int64),
    )


def labelled_scene(image: Image, rows: Sequence[Row]) -> Scene:
    """A photograph with its label rows; what its `labelled` column does not name exhaustively is unknown."""
    labelled = rows[0]["labelled"].split()
    unknown = [PLATES] if "plate" not in labelled else []
    # Sets that say only "vehicle" box the close vehicles and leave out those behind.
    unknown += [VEHICLES] if "car" not in labelled or "partly" in labelled else []
    rows = [row for row in rows if row["class"] in CLASSES and row["xmin"]]
    known_corners = [corners(row) for row in rows]
    unlabelled = np.full((4, 2), np.nan, np.float32)
    return replace(
        empty_scene(image, unknown),
        boxes=np.array([_sides(row) for row in rows], np.float32).reshape(-1, 4),
        classes=np.array([CLASSES[row["class"]] for row in rows], np.int64),
        corners=np.array([unlabelled if c is None else c for c in known_corners], np.float32).reshape(-1, 4, 2),
    )


@dataclass(frozen=True, slots=True)
class Scenes:
    """All scenes of a split."""

    photos: list[Scene]
    weights: Floats
    """How often each photo is to be shown."""
    negatives: list[Scene]
    crops: list[Scene]
    """Single vehicles that fill their picture; plates are not labelled."""
    close_ups: list[Scene]
    """Single plates that fill their picture, or nearly so."""


def load_scenes(root: Path, split: Split, exclude_sets: Collection[str] = ()) -> Scenes:
    """Decode a split into memory (about 4 GB for `train`)."""
    part = Part(root, "photos")
    rows = part.by_picture(split, exclude_sets)
    photos = [labelled_scene(image, rows[name]) for name, image in part.pictures(rows)]
    weights = np.array([WEIGHTS.get(labels[0]["set"], 1.0) for labels in rows.values()], np.float32)

    part = Part(root, "negatives")
    negatives = [empty_scene(image) for _, image in part.pictures(part.by_picture(split, exclude_sets))]

    part = Part(root, "vehicles")
    chosen: dict[str, list[Row]] = {}
    for row in part.rows(split, exclude_sets):
        if row["set"] in CROP_SETS and row["type"] in CROP_CLASSES:
            chosen.setdefault(row["type"], []).append(row)
    kinds = {
        row["file"]: CROP_CLASSES[kind]
        for kind, candidates in chosen.items()
        for row in _spread(candidates, CROPS_A_TYPE)
    }
    crops = [
        _filling_scene(image, CLASSES[kinds[name]], inset=0.02, unknown=[PLATES])
        for name, image in part.pictures(kinds)
    ]

    part = Part(root, "plates")
    rows_by_set: dict[str, list[Row]] = {}
    for row in part.rows(split, exclude_sets):
        rows_by_set.setdefault(row["set"], []).append(row)
    shown = {row["file"]: row for rows in rows_by_set.values() for row in _spread(rows, PLATE_CROPS_A_SET[split])}
    close_ups = [_cut_out(image, shown[name]) for name, image in part.pictures(shown)]
    return Scenes(photos, weights / weights.sum(), negatives, crops, close_ups)


Redrawn = Callable[[Scene, np.random.Generator], Scene]
"""A scene with other plates in place of its own."""


class Composer:
    """Makes training views out of scenes; the random numbers are its own."""

    def __init__(
        self, scenes: Scenes, seed: int, redrawn: Callable[[Scene, np.random.Generator], Scene] | None = None
    ) -> None:
        self.scenes = scenes
        self.random = np.random.default_rng(seed)
        self.redrawn = redrawn
        """Puts drawn plates into a scene; some of the photographs go through it."""
        close = scenes.weights * np.array([len(_wide_plates(photo)) > 0 for photo in scenes.photos])
        self._close_chances = close / close.sum() if close.any() else scenes.weights

    def batch(self, height: int, width: int, count: int) -> tuple[Tensor, Targets]:
        """UINT8 pictures (count, height, width, 3) and their targets."""
        return collate([self.picture(height, width) for _ in range(count)])

    def picture(self, height: int, width: int) -> Scene:
        """One training picture: a view or a mosaic, photographed badly now and then."""
        scene = self._mosaic(height, width) if self.random.random() < 0.5 else self._view(height, width)
        if self.random.random() < 0.12:
            _write_overlay(scene, self.random)
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
        return _joined(np.vstack(rows), [_moved(tile, dx, dy) for tile, dx, dy in tiles])

    def _view(self, height: int, width: int) -> Scene:
        if self.random.random() < CLOSE_UPS:
            return view(self._close_up(), height, width, self.random, whole=True)
        return view(self._scene(), height, width, self.random)

    def _close_up(self) -> Scene:
        """A plate cut out by somebody, or here."""
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
        """A vehicle crop laid on a picture without vehicles."""
        crop = self._one_of(self.scenes.crops)
        if not self.scenes.negatives:
            return crop
        height, width = (round(side * self.random.uniform(1.1, 2.0)) for side in crop.image.shape[:2])
        image = cv2.resize(self._one_of(self.scenes.negatives).image, (width, height))
        y = int(self.random.integers(0, height - crop.image.shape[0] + 1))
        x = int(self.random.integers(0, width - crop.image.shape[1] + 1))
        image[y : y + crop.image.shape[0], x : x + crop.image.shape[1]] = crop.image
        return _joined(np.asarray(image, np.uint8), [_moved(crop, x, y)])

    def _one_of(self, scenes: list[Scene]) -> Scene:
        return scenes[self.random.integers(len(scenes))]


def cut_around_plate(scene: Scene, random: np.random.Generator) -> Scene:
    """A plate of the scene with a margin as a picture of its own; the scene where no plate is wide enough."""
    wide = _wide_plates(scene)
    if len(wide) == 0:
        return scene
    low, high = scene.boxes[random.choice(wide)].reshape(2, 2)
    margins = (high - low) * random.uniform(-0.02, 0.6) * random.uniform(0.3, 1.0, (2, 2))
    picture = np.array(scene.image.shape[1::-1])
    left, top = np.clip(np.floor(low - margins[0]), 0, picture - 1).astype(int)
    right, bottom = np.clip(np.ceil(high + margins[1]), (left + 1, top + 1), picture).astype(int)
    part = replace(scene, image=scene.image[top:bottom, left:right])
    return _clipped(_moved(part, -left, -top))


def _wide_plates(scene: Scene) -> Integers:
    """Indices of the plates from which `cut_around_plate` chooses."""
    return np.flatnonzero((scene.classes == PLATE) & (scene.boxes[:, 2] - scene.boxes[:, 0] >= NARROWEST_CLOSE_UP))


def view(scene: Scene, height: int, width: int, random: np.random.Generator, whole: bool = False) -> Scene:
    """A random part of a scene at a random scale: one of its objects gets a random size and place.

    With `whole`, all of the picture is in the view and takes up to all of it: a letterbox of any size.
    """
    focus, scale = (_fitted if whole else _focus)(scene, height, width, random)
    stretch = math.exp(random.uniform(-0.12, 0.12))
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
    return _clipped(transformed(replace(scene, image=np.asarray(warped, np.uint8)), matrix, exact=far))


def transformed(scene: Scene, matrix: NDArray[np.float64], exact: bool) -> Scene:
    """The labels of a scene under an affine map (3, 3); its picture is taken as mapped already.

    A box becomes the box around its mapped outline. For vehicles the outline is an octagon, because they rarely fill
    their corners. With `exact`, plates get the box around their corners, and are not taught where these are not known.
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


def collate(scenes: Sequence[Scene]) -> tuple[Tensor, Targets]:
    """Scenes of one size as a batch; labels are padded."""
    objects = max(1, *(len(scene.boxes) for scene in scenes), 1)
    areas = max(1, *(len(scene.ignored) for scene in scenes), 1)
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


def degrade(image: Image, random: np.random.Generator) -> Image:
    """Light, colour, lens, sensor and compression of cameras other than the one that took the picture."""
    height, width = image.shape[:2]
    result = image
    if random.random() < 0.5:
        hsv = cv2.cvtColor(result, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(random.integers(-10, 11))) % 180
        hsv[..., 1] = np.minimum(hsv[..., 1] * random.uniform(0.4, 1.5), 255).astype(np.uint8)
        result = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)
    if random.random() < 0.1:
        result = np.asarray(cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
    if random.random() < 0.6:
        night = random.random() < 0.15
        gamma = random.uniform(1.6, 3.0) if night else math.exp(random.uniform(-0.5, 0.5))
        gain, offset = math.exp(random.uniform(-0.3, 0.25)), random.uniform(-25, 25) * (not night)
        cast = np.exp(random.uniform(-0.35, 0.35, 3)) if random.random() < 0.25 else np.ones(3)
        ramp = (np.arange(256) / 255) ** gamma * 255 * gain + offset
        table = np.clip(ramp[:, None] * cast, 0, 255).astype(np.uint8)
        result = np.asarray(cv2.LUT(result, table[None]), np.uint8)
    if random.random() < 0.15:
        factor = random.uniform(1.3, 3.0)
        small = cv2.resize(result, (int(width / factor), int(height / factor)), interpolation=cv2.INTER_AREA)
        result = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if random.random() < 0.1:
        length = int(random.integers(3, 8))
        line = np.zeros((length, length), np.float32)
        line[length // 2] = 1
        turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), random.uniform(0, 180), 1)
        kernel = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
        result = np.asarray(cv2.filter2D(result, -1, kernel / kernel.sum()), np.uint8)
    if random.random() < 0.15:
        noise = random.normal(0, random.uniform(3, 18), (height, width, 1 if random.random() < 0.5 else 3))
        result = np.clip(result + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        data = cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 75))])[1]
        result = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return result


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
        low, high = (14.0, 110.0) if random.random() < 0.75 else (60.0, 0.9 * width)
    else:
        low, high = (24.0, 1.15 * width)
    wanted = math.exp(random.uniform(math.log(low), math.log(max(low, high))))
    scale = wanted / max(1.0, xmax - xmin)
    smallest = 0.5 * max(width / picture_width, height / picture_height)
    return ((xmin + xmax) / 2, (ymin + ymax) / 2), min(max(scale, smallest), max(2.5, smallest), 4 * fit)


def _fitted(scene: Scene, height: int, width: int, random: np.random.Generator) -> tuple[tuple[float, float], float]:
    """The middle of a picture, and a scale at which the view shows all of it."""
    picture_height, picture_width = scene.image.shape[:2]
    fit = min(width / picture_width, height / picture_height)
    scale = fit * math.exp(random.uniform(math.log(0.25), 0.0))
    return (picture_width / 2, picture_height / 2), min(scale, 4.0)


def _posture(random: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """A rotation and slant (3, 3) about the origin, and whether it is so large that boxes have to follow the corners.

    A plate seen from the side has upright sides and a sloping top: that is a slant along y.
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
    """Map (3, 3) from the picture to the canvas, sizes (width, height): scaled, turned about the focus, mirrored."""
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


def _clipped(scene: Scene) -> Scene:
    """Objects cut by the border keep what is shown of them; those hardly shown, or tiny, become ignored areas."""
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


def _joined(image: Image, parts: Sequence[Scene]) -> Scene:
    """One scene of the labels of several."""
    return Scene(
        image=image,
        boxes=np.concatenate([part.boxes for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        corners=np.concatenate([part.corners for part in parts]),
        ignored=np.concatenate([part.ignored for part in parts]),
        ignored_groups=np.concatenate([part.ignored_groups for part in parts]),
    )


def _moved(scene: Scene, dx: int, dy: int) -> Scene:
    offset = np.array([dx, dy, dx, dy], np.float32)
    return replace(
        scene, boxes=scene.boxes + offset, corners=scene.corners + offset[:2], ignored=scene.ignored + offset
    )


def _spread(rows: list[Row], count: int) -> list[Row]:
    """At most that many rows, evenly over the list."""
    return rows[:: max(1, math.ceil(len(rows) / count))]


def _cut_out(image: Image, row: Row) -> Scene:
    """A plate in a picture of its own."""
    known = corners(row)
    return replace(
        empty_scene(image),
        boxes=np.array([_sides(row)], np.float32),
        classes=np.array([PLATE], np.int64),
        corners=(np.full((4, 2), np.nan, np.float32) if known is None else known)[None],
    )


def _filling_scene(image: Image, kind: int, inset: float, unknown: Collection[int] = ()) -> Scene:
    """An object that fills its picture but for the cutter's margin (`inset`, as a share of the sides)."""
    height, width = image.shape[:2]
    return replace(
        empty_scene(image, unknown),
        boxes=np.array([[inset * width, inset * height, (1 - inset) * width, (1 - inset) * height]], np.float32),
        classes=np.array([kind], np.int64),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )


def _write_overlay(scene: Scene, random: np.random.Generator) -> None:
    """Burn a camera's time stamp or name into the picture: writing that is no plate."""
    height, width = scene.image.shape[:2]
    numbers = random.integers(0, 100, 6)
    text = str(
        random.choice(
            [
                "20{:02d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}",
                "{:02d}/{:02d}/20{:02d} {:02d}:{:02d}:{:02d}",
                "CAM {:02d} {:02d}.{:02d}.20{:02d}",
                "GATE {:02d}",
                "{:02d}{:02d} KM/H {:02d}",
            ]
        )
    ).format(*numbers)
    font = int(random.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX]))
    scale = random.uniform(0.3, 0.9)
    (text_width, text_height), _ = cv2.getTextSize(text, font, scale, 1)
    if text_width + 4 >= width or text_height + 8 >= height:
        return
    x = int(random.integers(2, width - text_width - 1))
    at_top = random.random() < 0.5
    y = int(random.integers(text_height + 3, text_height + 6) if at_top else random.integers(height - 8, height - 2))
    area = np.array([x, y - text_height, x + text_width, y + 3], np.float32)
    plates = scene.boxes[scene.classes == PLATE]
    low, high = np.maximum(plates[:, :2], area[:2]), np.minimum(plates[:, 2:], area[2:])
    if ((high - low) > 0).all(axis=1).any():
        return
    colour = tuple(int(v) for v in random.choice([[255] * 3, [0] * 3, [0, 255, 255], [0, 255, 0], [0, 0, 255]]))
    if random.random() < 0.4:
        back = tuple(255 - v for v in colour)
        cv2.rectangle(scene.image, (x - 2, y - text_height - 2), (x + text_width + 2, y + 4), back, -1)
    cv2.putText(scene.image, text, (x, y), font, scale, colour, int(random.integers(1, 3)), cv2.LINE_AA)


def _sides(row: Row) -> tuple[float, float, float, float]:
    area = box(row)
    return area.xmin, area.ymin, area.xmax, area.ymax


def _areas(boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    areas: NDArray[np.floating] = size[:, 0] * size[:, 1]
    return areas
