"""A saloon car as distances and materials: its shape, and what is where on its surface.

Metres; the car stands on y = 0 with its front towards +z and is symmetric in x.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samples.render.solids import Field, Points, box, capsule, common, ellipsoid, polygon, union

PLATE_CENTER: Final = (0.0, 0.455, 2.215)
PLATE_HALF: Final = (0.26, 0.055, 0.006)
WHEEL_Z: Final = 1.33
WHEEL_Y: Final = 0.325
_WHEEL_X: Final = 0.79
_TYRE: Final = 0.325
_RIM: Final = 0.225

_BODY: Final = (
    (2.08, 0.20),
    (2.19, 0.30),
    (2.21, 0.47),
    (2.18, 0.62),
    (2.08, 0.745),
    (1.80, 0.835),
    (1.35, 0.925),
    (0.95, 0.975),
    (-1.55, 1.02),
    (-2.02, 1.03),
    (-2.17, 0.95),
    (-2.20, 0.60),
    (-2.12, 0.30),
    (-1.9, 0.22),
)
_CABIN: Final = (
    (1.12, 0.90),
    (0.28, 1.375),
    (0.02, 1.45),
    (-0.55, 1.475),
    (-1.05, 1.43),
    (-1.40, 1.32),
    (-1.95, 0.95),
    (-1.9, 0.85),
)


class Material(IntEnum):
    PAINT = 0
    GLASS = 1
    TYRE = 2
    RIM = 3
    BLACK = 4
    GRILLE = 5
    CHROME = 6
    LAMP = 7
    PLATE = 8
    SEAM = 9
    FOG = 10
    MIRROR = 11


def distance(p: Points) -> Field:
    """Distance to the car."""
    p = Points(np.abs(p.x), p.y, p.z)
    return np.minimum(np.minimum(_shell(p), wheels(p)), np.minimum(mirrors(p), plate(p)))


def _shell(p: Points) -> Field:
    """Body and cabin without the wheel arches."""
    hull = union(_body(p), _cabin(p), 0.06)
    arch = np.hypot(np.abs(p.z) - WHEEL_Z, p.y - WHEEL_Y)
    lip = np.maximum(np.abs(arch - 0.39) - 0.03, np.abs(p.x - 0.868) - 0.02)
    hull = union(hull, np.maximum(lip, 0.15 - p.y), 0.05)
    return common(hull, -np.maximum(arch - 0.378, 0.5 - p.x), 0.015)


def _body(p: Points) -> Field:
    bow = np.sign(p.z) * 0.17 * (p.x / 0.85) ** 2.6
    profile = polygon(p.z + bow, p.y, _BODY)
    waist = 0.885 - 0.05 * ((p.y - 0.62) / 0.4) ** 2 - 0.10 * np.clip((np.abs(p.z) - 1.3) / 0.9, 0, 1) ** 2
    crease = 0.012 * np.exp(-(((p.y - 0.80 - 0.02 * p.z) / 0.035) ** 2)) - 0.012 * np.exp(-(((p.y - 0.42) / 0.06) ** 2))
    body = common(profile, p.x - waist - crease, 0.16)
    bulge = (
        0.014
        * np.exp(-(((p.x - 0.42) / 0.10) ** 2))
        * np.clip((p.z - 0.9) / 0.3, 0, 1)
        * np.clip((p.y - 0.7) / 0.1, 0, 1)
    )
    return np.asarray(body - bulge, dtype=np.float32)


def _cabin(p: Points) -> Field:
    bow = np.sign(p.z + 0.4) * 0.16 * (p.x / 0.72) ** 2
    profile = polygon(p.z + bow, p.y, _CABIN)
    return common(profile, (p.x - _cabin_half(p.y)) * 0.92, 0.13)


def _cabin_half(y: Field) -> Field:
    """Half the cabin's width at a height: narrower towards the roof."""
    return 0.795 - 0.40 * (y - 0.95)


def wheels(p: Points) -> Field:
    radius = np.hypot(np.abs(p.z) - WHEEL_Z, p.y - WHEEL_Y)
    tyre = common(radius - _TYRE, np.abs(p.x - _WHEEL_X) - 0.105, 0.04)
    dish = np.maximum(radius - _RIM, _WHEEL_X + 0.09 - 0.06 * (1 - (radius / _RIM).clip(0, 1)) - p.x)
    return np.asarray(np.maximum(tyre, -dish), dtype=np.float32)


def _between_spokes(p: Points, radius: Field) -> NDArray[np.bool_]:
    angle = np.arctan2(p.y - WHEEL_Y, np.abs(p.z) - WHEEL_Z)
    gap = np.cos(5 * angle + 0.6) < 0.35
    return np.asarray(gap & (radius > 0.075) & (radius < _RIM - 0.02), dtype=np.bool_)


def mirrors(p: Points) -> Field:
    head = ellipsoid(p, (0.965, 1.005, 0.62), (0.105, 0.068, 0.075))
    return union(head, capsule(p, (0.80, 0.955, 0.66), (0.92, 0.985, 0.63), 0.022), 0.03)


def plate(p: Points) -> Field:
    return box(p, PLATE_CENTER, PLATE_HALF, 0.003)


def material(p: Points, normal: Points) -> NDArray[np.uint8]:
    """What the surface is made of at a point of it."""
    x = np.abs(p.x)
    q = Points(x, p.y, p.z)
    kind = np.full(np.shape(x), Material.PAINT, dtype=np.uint8)
    kind[_seams(q, normal)] = Material.SEAM
    kind[q.y < 0.235 + 0.02 * (np.abs(q.z) < 1.0)] = Material.BLACK
    arch = np.hypot(np.abs(q.z) - WHEEL_Z, q.y - WHEEL_Y)
    kind[(arch < 0.3785) & (x > 0.48) & (x < 0.86)] = Material.BLACK
    _front(kind, q, normal)
    kind[_windows(q, normal)] = Material.GLASS
    kind[_window_trim(q, normal)] = Material.BLACK
    kind[mirrors(q) < 0.004] = Material.MIRROR
    close = (wheels(q) < 0.004) & (arch < _TYRE + 0.01) & (x > 0.6)
    kind[close] = np.where(
        arch < _RIM, np.where(_between_spokes(q, arch), Material.BLACK, Material.RIM), Material.TYRE
    )[close]
    kind[plate(q) < 0.004] = Material.PLATE
    return kind


def _front(kind: NDArray[np.uint8], q: Points, normal: Points) -> None:
    """Grille, air intake, lamps and badge: areas of the front as it is seen from ahead."""
    front = (q.z > 1.55) & (normal.z > 0.12)
    frame = polygon(q.x, q.y, ((-0.1, 0.695), (0.40, 0.705), (0.445, 0.66), (0.36, 0.548), (-0.1, 0.542)))
    kind[front & (frame < 0.014)] = Material.CHROME
    kind[front & (frame < 0)] = Material.GRILLE
    intake = polygon(q.x, q.y, ((-0.1, 0.365), (0.42, 0.365), (0.50, 0.29), (0.46, 0.245), (-0.1, 0.245)))
    kind[front & (intake < 0)] = Material.GRILLE
    pocket = polygon(q.x, q.y, ((0.56, 0.40), (0.74, 0.45), (0.76, 0.33), (0.60, 0.27)))
    kind[front & (pocket < 0)] = Material.BLACK
    kind[front & (np.hypot(q.x - 0.665, q.y - 0.365) < 0.042)] = Material.FOG
    lamp = lamp_outline(q)
    kind[front & (lamp < 0.008)] = Material.BLACK
    kind[front & (lamp < 0)] = Material.LAMP
    badge = np.hypot(q.x, q.y - 0.625)
    kind[front & (badge < 0.052)] = Material.CHROME


def lamp_outline(q: Points) -> Field:
    """Distance, as seen from ahead, to the outline of the headlamp."""
    return polygon(
        q.x,
        q.y,
        ((0.465, 0.655), (0.50, 0.70), (0.68, 0.755), (0.83, 0.775), (0.84, 0.715), (0.76, 0.645), (0.60, 0.618)),
    )


def _windows(q: Points, normal: Points) -> NDArray[np.bool_]:
    half = _cabin_half(q.y)
    upper = (q.y > 0.985) & (q.y < 1.425)
    screen = upper & (normal.z > 0.35) & (q.z > 0.0) & (q.x < half - 0.075) & (q.y < 1.40)
    rear = upper & (normal.z < -0.25) & (q.z < -1.2) & (q.x < half - 0.09)
    return screen | rear | (_side(q, normal) < 0)


def _side(q: Points, normal: Points) -> Field:
    """Distance in the side view to the nearest side window; outside of the flank, large."""
    front = polygon(q.z, q.y, ((0.80, 1.035), (0.20, 1.36), (-0.36, 1.395), (-0.36, 1.04)))
    back = polygon(q.z, q.y, ((-0.44, 1.04), (-0.44, 1.395), (-0.98, 1.37), (-1.38, 1.20), (-1.42, 1.055)))
    return np.where(np.abs(normal.x) > 0.6, np.minimum(front, back), np.float32(9.0))


def _window_trim(q: Points, normal: Points) -> NDArray[np.bool_]:
    side = _side(q, normal)
    wipers = (q.z > 0.7) & (normal.z > 0.2) & (q.y > 0.972) & (q.y < 0.99) & (q.x < 0.70)
    return ((side >= 0) & (side < 0.02)) | wipers


def _seams(q: Points, normal: Points) -> NDArray[np.bool_]:
    """The gaps between bonnet, wings, doors and bumper."""
    flank = np.abs(normal.x) > 0.7
    doors = np.minimum(
        np.abs(q.z - 0.86 + 0.10 * (q.y - 0.6)), np.minimum(np.abs(q.z + 0.40), np.abs(q.z + 1.28 - 0.3 * (q.y - 0.6)))
    )
    door_lines = flank & (doors < 0.006) & (q.y > 0.30) & (q.y < 1.02)
    sill = flank & (np.abs(q.y - 0.30) < 0.005) & (np.abs(q.z) < 0.9)
    handles = flank & (np.abs(q.y - 0.865) < 0.014) & ((np.abs(q.z + 0.28) < 0.085) | (np.abs(q.z + 1.12) < 0.085))
    bonnet = (normal.y > 0.5) & (q.z > 1.0) & (np.abs(q.x - 0.70 + 0.10 * np.clip((q.z - 1.0), 0, 1.2) ** 2) < 0.006)
    nose = (q.z > 1.5) & (np.abs(q.y - 0.782 + 0.02 * q.x) < 0.005) & (q.x < 0.66) & (normal.y > 0.2)
    return np.asarray(door_lines | sill | handles | bonnet | nose, dtype=np.bool_)
