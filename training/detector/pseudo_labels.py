"""Labels by a model for objects that are not labelled (pseudo-labels, Lee 2013)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from detector.detections import Detections
from training.detector.metrics import detect, overlaps_of
from training.detector.model import PLATE, Detector
from training.detector.scenes import PLATES, VEHICLES, Floats, Integers, Scene, Scenes

CERTAIN, DOUBTFUL = 0.4, 0.1
"""Detections with at least the first score become labels; those with at least the second are left out of the loss."""


def with_pseudo_labels(scenes: Scenes, model: Detector, device: torch.device) -> Scenes:
    """The photographs, with unlabelled groups labelled by `model`."""
    photos = list(scenes.photos)
    found = detect(model, [scene.image for scene in photos], device, least_score=DOUBTFUL)
    for index, objects in tqdm(found, "pseudo-labels", len(photos)):
        photos[index] = completed(photos[index], objects)
    return replace(scenes, photos=photos)


def completed(scene: Scene, found: Detections) -> Scene:
    """A scene whose unlabelled groups are labelled by detections.

    Certain detections become objects, doubtful ones ignored areas; the rest counts as empty. But if no vehicle was
    found around a known plate, vehicles were missed, so they stay unknown in the whole picture.
    """
    plates = found.plates
    found = found[np.isin(_groups(found), scene.ignored_groups)]
    groups = _groups(found)
    known = (overlaps_of(found.boxes, scene.boxes) > 0.5) & (groups[:, None] == scene.groups[None])
    new = ~known.any(axis=1)
    certain = new & (found.scores >= CERTAIN)
    doubtful = new & ~certain & (found.scores >= DOUBTFUL)
    unknown = (scene.ignored_groups == VEHICLES) & _lone_plate(scene, found.vehicles.above(DOUBTFUL))
    corners = np.where((found.classes == PLATE)[:, None, None], found.corners, np.float32(np.nan))
    return with_overlooked(
        replace(
            scene,
            boxes=np.concatenate([scene.boxes, found.boxes[certain]]),
            classes=np.concatenate([scene.classes, found.classes[certain]]),
            corners=np.concatenate([scene.corners, corners[certain]]),
            ignored=np.concatenate([scene.ignored[unknown], found.boxes[doubtful]]),
            ignored_groups=np.concatenate([scene.ignored_groups[unknown], groups[doubtful]]),
        ),
        plates,
    )


def with_overlooked(scene: Scene, found: Detections) -> Scene:
    """A scene with detected plates that the labels lack.

    Many sets only label the plates of a photograph's main vehicle. A detected plate on a vehicle without one is assumed
    to be that vehicle's: if certain, it becomes an object, if doubtful, an ignored area.
    """
    plates, vehicles = scene.boxes[scene.classes == PLATE], scene.boxes[scene.classes != PLATE]
    bare = vehicles[~_inside(_centres(plates), vehicles).any(axis=0)]
    theirs = _inside(_centres(found.boxes), bare).any(axis=1)
    found = found[theirs & (overlaps_of(found.boxes, plates).max(axis=1, initial=0.0) < 0.1)]
    found = found.above(DOUBTFUL)
    certain, doubtful = found.above(CERTAIN), found[found.scores < CERTAIN]
    return replace(
        scene,
        boxes=np.concatenate([scene.boxes, certain.boxes]),
        classes=np.concatenate([scene.classes, certain.classes]),
        corners=np.concatenate([scene.corners, certain.corners]),
        ignored=np.concatenate([scene.ignored, doubtful.boxes]),
        ignored_groups=np.concatenate([scene.ignored_groups, np.full(len(doubtful), PLATES, np.int64)]),
    )


def _centres(boxes: Floats) -> Floats:
    """Shape (N, 2)."""
    return (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5)


def _inside(points: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Shape (N, M): whether each point (N, 2) lies in each box (M, 4)."""
    return np.asarray(((points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(axis=2))


def _groups(found: Detections) -> Integers:
    return np.where(found.classes == PLATE, PLATES, VEHICLES).astype(np.int64)


def _lone_plate(scene: Scene, vehicles: Detections) -> bool:
    """Whether the centre of a labelled plate lies in no vehicle, labelled or found."""
    plates = scene.boxes[scene.classes == PLATE]
    around = np.concatenate([scene.boxes[scene.classes != PLATE], vehicles.boxes])
    inside = _inside(_centres(plates), around)
    return not bool(inside.any(axis=1).all())
