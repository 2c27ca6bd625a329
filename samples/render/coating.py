"""What light meets on the car and the barrier: colours, gloss, the inside of lamps and windows, the plate's picture."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.render import car
from samples.render.car import Material
from samples.render.solids import Field, Points
from samples.render.yard import Light, mirrored
from training.synthesis.noise import clouds, value_noise

Kinds = NDArray[np.uint8]
"""A `Material` for every point, or `BARRIER`."""

BARRIER: Final = 255


def gloss(kind: Kinds) -> tuple[Field, Field]:
    """How strongly each material mirrors, and the share mirrored head-on."""
    strength = np.full(256, 0.1, dtype=np.float32)
    base = np.full(256, 0.04, dtype=np.float32)
    for material, gloss, head_on in (
        (Material.PAINT, 0.9, 0.042),
        (Material.GLASS, 1.0, 0.14),
        (Material.CHROME, 0.9, 0.62),
        (Material.RIM, 0.7, 0.30),
        (Material.LAMP, 1.0, 0.10),
        (Material.MIRROR, 1.0, 0.055),
        (Material.FOG, 1.0, 0.2),
        (Material.BLACK, 0.25, 0.04),
        (Material.SEAM, 0.0, 0.0),
        (Material.TYRE, 0.12, 0.02),
        (Material.GRILLE, 0.2, 0.03),
        (Material.PLATE, 0.15, 0.03),
    ):
        strength[material], base[material] = gloss, head_on
    strength[BARRIER], base[BARRIER] = 0.25, 0.04
    return strength[kind], base[kind]


def colors(p: Points, normal: Points, kind: Kinds, paint: tuple[float, float, float], plate: Light, seed: int) -> Light:
    """The share of light that each point gives back, by colour."""
    table = np.full((256, 3), 0.03, dtype=np.float32)
    coat = np.array(paint, dtype=np.float32)
    for material, value in (
        (Material.PAINT, coat),
        (Material.MIRROR, coat),
        (Material.GLASS, 0.012),
        (Material.TYRE, 0.025),
        (Material.RIM, 0.42),
        (Material.BLACK, 0.02),
        (Material.GRILLE, 0.015),
        (Material.CHROME, 0.16),
        (Material.LAMP, 0.10),
        (Material.SEAM, 0.012),
        (Material.FOG, 0.35),
    ):
        table[material] = value
    color = table[kind]
    flakes = 1 + 0.05 * (value_noise(p.x * 900, (p.y + p.z) * 900, seed) - 0.5)
    color *= np.where(kind == Material.PAINT, flakes, 1)[..., None]
    dust = np.clip((0.55 - p.y) * 1.2, 0, 0.4) * clouds(p.x * 9 + p.z * 9, p.y * 9, seed + 3)
    dusty = (dust * np.isin(kind, (Material.PAINT, Material.TYRE, Material.BLACK)))[..., None]
    color += dusty * (np.array([0.20, 0.18, 0.15], np.float32) - color)
    slats = (kind == Material.GRILLE) & (np.abs(((p.y * 26) % 1) - 0.5) < 0.16)
    color[slats] = 0.10
    seats = (kind == Material.GLASS) & _inside(p)
    color[seats] = 0.032
    boom = (kind == BARRIER) & (p.y > 1.12)
    stripes = np.floor(p.y * 2.83) % 2 == 0
    color[kind == BARRIER] = (0.50, 0.33, 0.03)
    color[boom & stripes] = 0.72
    color[boom & ~stripes] = (0.55, 0.03, 0.03)
    on_plate = (kind == Material.PLATE) & (normal.z > 0.5)
    if on_plate.any():
        color[on_plate] = _texture(plate, p[on_plate]) * 0.82
    return np.asarray(color, dtype=np.float32)


def _inside(p: Points) -> NDArray[np.bool_]:
    """Where seats and the steering wheel show dimly through the windscreen."""
    x, y = p.x * 1.02, p.y
    heads = (np.hypot((np.abs(x) - 0.36) / 0.11, (y - 1.20) / 0.075) < 1) | (
        np.hypot((np.abs(x) - 0.36) / 0.22, (y - 1.04) / 0.11) < 1
    )
    rim = np.abs(np.hypot(x - 0.36, (y - 1.05) / 0.8) - 0.15) < 0.012
    return np.asarray((heads | rim) & (p.z > 0), dtype=np.bool_)


def _texture(plate: Light, p: Points) -> Light:
    """The plate's colours at points of its face."""
    height, width = plate.shape[:2]
    u = (p.x - car.PLATE_CENTER[0]) / (2 * car.PLATE_HALF[0]) + 0.5
    v = 0.5 - (p.y - car.PLATE_CENTER[1]) / (2 * car.PLATE_HALF[1])
    columns, rows = (u * width - 0.5).astype(np.float32), (v * height - 0.5).astype(np.float32)
    found = cv2.remap(plate, columns[:, None], rows[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[:, 0], dtype=np.float32)


def lamps(p: Points, kind: Kinds, mirror: Points, seed: int) -> Light:
    """The inner life of the headlamps: reflectors around two lenses, and a bright strip along the lower edge."""
    light = np.zeros((*kind.shape, 3), dtype=np.float32)
    inside = kind == Material.LAMP
    if not inside.any():
        return light
    q = Points(np.abs(p.x[inside]), p.y[inside], p.z[inside])
    edge = car.lamp_outline(q)
    near = np.minimum(np.hypot(q.x - 0.585, q.y - 0.672), np.hypot(q.x - 0.715, q.y - 0.70))
    facets = 0.10 + 0.22 * value_noise(q.x * 46, q.y * 46, seed + 4) * np.clip(
        mirrored(mirror[inside], seed).mean(axis=1), 0, 1
    )
    ring = np.exp(-(((near - 0.040) / 0.006) ** 2)) * 0.45
    lens = np.exp(-((near / 0.024) ** 2)) * 0.9 - 0.10 * (near < 0.034)
    strip = np.exp(-(((edge + 0.014) / 0.006) ** 2)) * (q.y < 0.66 + 0.35 * (q.x - 0.5)) * 1.5
    light[inside] = np.clip(facets + ring + lens + strip, 0.02, None)[..., None] * np.array(
        [0.96, 0.98, 1.0], np.float32
    )
    return light
