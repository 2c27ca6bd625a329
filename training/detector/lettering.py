"""Writing on vehicles: telephone numbers, names and slogans, which are not plates, and painted plates, which are."""

from __future__ import annotations

import string
from dataclasses import astuple, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.geometry import Box, Corners
from training.detector.model import PLATE
from training.detector.scenes import Scene
from training.synthesis import fonts
from training.synthesis.catalogue import choose
from training.synthesis.designs import AMERICAN_FACES, EUROPEAN_FACES, HEAVY_FACES
from training.synthesis.serials import Serial, compose

LETTERED: Final = 0.2
"""Share of pictures with vehicles that get writing."""
PAINTED: Final = 0.5
"""Share of the writing that is a plate number, painted on the bodywork or on a patch, which must be found."""
PAINTED_CHARACTERS: Final = frozenset(string.ascii_uppercase + string.digits + " -.")
MARKS: Final = 0.15
"""Share of the writing that is not on a vehicle, but is a watermark over the picture."""
NARROWEST: Final = 64.0
"""Least width in pixels of a vehicle to write on."""
SMALLEST: Final = 5.0
"""Least height of writing in pixels."""

FACES: Final = (*EUROPEAN_FACES, *AMERICAN_FACES, *HEAVY_FACES)
CAP, WIDE, GAP, BLANK, LEADING = 32, 20, 5, 16, 10
"""Height in pixels at which text is set before it is scaled; one size, because glyphs are cached."""

SENTENCES: Final = (
    "{TAXI,POLICE,AMBULANCE,SCHOOL BUS,EXPRESS,ON DUTY,STOP,TOURIST,PRESS,SECURITY,GOODS CARRIER,KEEP DISTANCE,VIP}",
    "{TRANSPORT,LOGISTICS,CARGO,TRAVELS,RENT A CAR,SERVICE,MOTORS,BAKERY,FRESH MILK,ELECTRIC,PLUMBING,FIRE,SCHOOL}",
    "{TOYOTA,NISSAN,VOLVO,SCANIA,TATA,ISUZU,HYUNDAI,CITROEN,RENAULT,PEUGEOT,HONDA,SUZUKI,BAJAJ,FORD,MITSUBISHI}",
    "{TURBO,DIESEL,HYBRID,V6,4X4,GLX,TDI,CRDI,VTI,LIMITED,SPORT,ALL WHEEL DRIVE,QUATTRO,XDRIVE}",
    "@@@@@@@",
    "@@@@@ @@@@@@@@",
    "@@@@@@|@@@@@@@@",
    "### ### ####",
    "0##########",
    "#### #######",
    "(0##) ### ####",
    "+## ### ### ###",
    "0## ### ## ##",
    "CALL|### #######",
    "WWW.@@@@@@@.COM",
    "{80,100,60,24H,7 DAYS,NO 1,LINE 4,BUS 12}",
)

Mask = NDArray[np.float32]


def lettered(scene: Scene, random: np.random.Generator) -> Scene:
    """The scene with writing on one of its vehicles, if there is room; a painted plate is added to its objects.

    Modifies the picture in place.
    """
    mark = random.random() < MARKS
    place = _whole(scene) if mark else _vehicle(scene, random)
    if place is None:
        return scene
    painted = not mark and random.random() < PAINTED
    writing = _set(_serial(random) if painted else compose(_one_of(SENTENCES, random), random), random)
    margin = round(CAP * random.uniform(0.08, 0.35))
    writing = np.pad(writing, margin)
    corners = _corners(place, writing.shape[1] / writing.shape[0], painted, random)
    if corners is None or not _free(scene, corners):
        return scene
    patch = random.random() < (0.5 if painted else 0.25) and not mark
    _write(scene, corners, writing, patch, random)
    if not painted:
        return scene
    return replace(
        scene,
        boxes=np.concatenate([scene.boxes, np.array([astuple(Box.around(corners))], np.float32)]),
        classes=np.concatenate([scene.classes, np.array([PLATE], np.int64)]),
        corners=np.concatenate([scene.corners, corners[None]]),
    )


def _vehicle(scene: Scene, random: np.random.Generator) -> Box | None:
    wide = scene.boxes[(scene.classes != PLATE) & (scene.boxes[:, 2] - scene.boxes[:, 0] >= NARROWEST)]
    return Box(*(float(side) for side in wide[random.integers(len(wide))])) if len(wide) else None


def _whole(scene: Scene) -> Box:
    height, width = scene.image.shape[:2]
    return Box(0, 0, width, height)


def _serial(random: np.random.Generator) -> Serial:
    """A plate number as sign painters write it: Latin letters and digits, no emblems, nothing stacked."""
    text = ""
    while not text:
        design = choose(random)
        composed = compose(_one_of(design.serials, random), random, design.letters)
        written = tuple(
            "".join(character for character in line if character in PAINTED_CHARACTERS) for line in composed.lines
        )
        serial = Serial(tuple(line for line in written if Serial((line,)).text))
        text = serial.text
    if len(serial.lines) > 1 or random.random() < 0.6:
        return serial
    middle = max(2, len(text) - 4)
    return Serial(tuple(line for line in (text[:middle], text[middle:]) if line))


def _one_of(choices: tuple[str, ...], random: np.random.Generator) -> str:
    return choices[random.integers(len(choices))]


def _set(serial: Serial, random: np.random.Generator) -> Mask:
    """A mask of the lines, stacked and centred."""
    face = _one_of(FACES, random)
    lines = [_line(face, line) for line in serial.lines if line.strip()]
    width = max(line.shape[1] for line in lines)
    rows: list[Mask] = []
    for line in lines:
        left = (width - line.shape[1]) // 2
        rows.append(np.pad(line, ((0, LEADING), (left, width - line.shape[1] - left))))
    return np.concatenate(rows)[:-LEADING]


def _line(face: str, line: str) -> Mask:
    parts: list[Mask] = []
    for character in line:
        if character in " *":
            parts.append(np.zeros((1, BLANK), np.float32))
        else:
            parts += [fonts.glyph(face, character, WIDE, CAP), np.zeros((1, GAP), np.float32)]
    height = max(part.shape[0] for part in parts)
    return np.concatenate([np.pad(part, ((0, height - part.shape[0]), (0, 0))) for part in parts], axis=1)


def _corners(place: Box, aspect: float, painted: bool, random: np.random.Generator) -> Corners | None:
    """Where to write within a box: corners (4, 2), slightly rotated and slanted; None if it would be too small."""
    share = float(np.exp(random.uniform(np.log(0.14), np.log(0.45 if painted else 0.8))))
    width = min(place.width * share, place.height * 0.4 * aspect)
    height = width / aspect * random.uniform(0.8, 1.25)
    if height < SMALLEST:
        return None
    x = random.uniform(place.xmin + width / 2, place.xmax - width / 2)
    y = random.uniform(place.ymin + (place.height * 0.4 if painted else height), place.ymax - height / 2)
    along = np.array([1.0, random.normal(0, 0.06)]) * width / 2
    down = np.array([random.normal(0, 0.06), 1.0]) * height / 2
    centre = np.array([x, y])
    return np.array(
        [centre - along - down, centre + along - down, centre + along + down, centre - along + down], np.float32
    )


def _free(scene: Scene, corners: Corners) -> bool:
    """Whether the area is inside the picture and does not touch plates."""
    area, whole = Box.around(corners), _whole(scene)
    if area.xmin < 1 or area.ymin < 1 or area.xmax > whole.xmax - 1 or area.ymax > whole.ymax - 1:
        return False
    plates = scene.boxes[scene.classes == PLATE]
    return all(area.intersection(Box(*(float(side) for side in plate)).grown(0.2)) == 0 for plate in plates)


def _write(scene: Scene, corners: Corners, writing: Mask, patch: bool, random: np.random.Generator) -> None:
    """Paint the writing into the picture, with a realistic contrast to what is below."""
    left, top = np.floor(corners.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    area = scene.image[top:bottom, left:right]
    below = float(area.mean())
    light = below < 110 if random.random() < 0.85 else below >= 110
    ink = np.array([235.0, 235.0, 235.0] if light else [25.0, 25.0, 25.0]) * random.uniform(0.6, 1.05)
    if random.random() < 0.4:
        ink = np.clip(ink * random.uniform(0.2, 1.4, 3), 0, 255)
    height, width = writing.shape
    # scaled close to its final size first, against aliasing
    size = (max(4, round(float(np.ptp(corners[:, 0])))), max(4, round(float(np.ptp(corners[:, 1])))))
    if size[0] < width:
        writing = np.asarray(cv2.resize(writing, size, interpolation=cv2.INTER_AREA), np.float32)
        height, width = writing.shape
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(outline - 0.5, (corners - [left, top] - 0.5).astype(np.float32))
    shape = (area.shape[1], area.shape[0])
    painted = area.astype(np.float32)
    if patch:
        paper = _one_paper(light, random)
        cover = cv2.warpPerspective(np.ones_like(writing), matrix, shape)[..., None] * random.uniform(0.8, 1.0)
        painted += cover * (paper * min(1.0, below / 110) - painted)
        ink = np.array([20.0, 20.0, 20.0] if paper.mean() > 100 else [225.0, 225.0, 225.0])
    letters = cv2.warpPerspective(writing, matrix, shape)[..., None] * random.uniform(0.7, 1.0)
    painted += letters * (ink - painted)
    painted = np.asarray(cv2.GaussianBlur(painted, (0, 0), random.uniform(0.3, 0.8)), np.float32)
    scene.image[top:bottom, left:right] = np.clip(painted, 0, 255).astype(np.uint8)


def _one_paper(dark: bool, random: np.random.Generator) -> NDArray[np.float64]:
    """The colour of a patch: white or yellow; under bright letters black, green or blue."""
    colours = (
        ((30, 30, 30), (60, 90, 20), (120, 50, 20))
        if dark and random.random() < 0.6
        else (
            (230, 230, 230),
            (60, 200, 240),
            (200, 230, 235),
        )
    )
    return np.array(colours[random.integers(len(colours))], np.float64) * random.uniform(0.8, 1.1)
