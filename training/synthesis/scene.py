"""Draws one wholly artificial photograph, a car in a yard, for samples and demonstrations: no real picture is in it.

`python -m training.synthesis.scene --out samples/gate.jpg --seed 1` marches rays through the distance field of
`car.py`, lights them with a sun and a sky, and finishes with the faults of a camera. The plate is drawn by `plate.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.crops import Image
from training.synthesis import car
from training.synthesis.car import Material
from training.synthesis.catalogue import DESIGNS
from training.synthesis.noise import clouds, value_noise
from training.synthesis.plate import render
from training.synthesis.serials import Serial
from training.synthesis.solids import Field, Points, box, capsule, point

Light = NDArray[np.float32]
"""Linear light, shape (..., 3), red-green-blue."""

WIDTH: Final = 1280
HEIGHT: Final = 720
_CHUNK: Final = 60_000
_WALL_Z: Final = -7.5
_SUN: Final = point(-0.52, 0.62, 0.58).unit()
_BARRIER: Final = 255
"""The kind of what is not the car; the others are `Material`."""
_SUNLIGHT: Final = np.array([1.95, 1.75, 1.48], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """What differs between scenes."""

    seed: int
    paint: tuple[float, float, float]
    serial: Serial
    region: str


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole at `eye` that looks at `target`; `focal` in pixels of a picture `WIDTH` wide."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float

    def rays(self, width: int, height: int) -> Points:
        """The direction of every pixel's ray, row by row, of length one."""
        eye, target = np.array(self.eye), np.array(self.target)
        forward = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(forward, (0.0, 1.0, 0.0))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        v, u = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
        u, v = (u - width / 2).ravel() * WIDTH / width, (height / 2 - v).ravel() * WIDTH / width
        parts = (right[i] * u + up[i] * v + forward[i] * self.focal for i in range(3))
        return Points(*(part.astype(np.float32) for part in parts)).unit()


def draw(look: Look, detail: float = 2.0) -> Image:
    """The photograph, 1280 x 720, blue-green-red; `detail` is how many rays each pixel side is sampled by."""
    camera = Camera((2.15, 1.45, 7.0), (0.18, 0.72, 0.9), 1500.0)
    width, height = round(WIDTH * detail), round(HEIGHT * detail)
    rays = camera.rays(width, height)
    eye = point(*camera.eye)
    plate = _plate(look)
    light = np.zeros((width * height, 3), dtype=np.float32)
    depth = np.zeros(width * height, dtype=np.float32)
    for start in range(0, width * height, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, width * height))
        ray = Points(rays.x[chunk], rays.y[chunk], rays.z[chunk])
        light[chunk], depth[chunk] = _seen(eye, ray, look, plate)
    return _photograph(light.reshape(height, width, 3), depth.reshape(height, width), np.random.default_rng(look.seed))


def _plate(look: Look) -> Light:
    """The plate's picture in linear light, for the texture lookup."""
    design = next(design for design in DESIGNS if design.region == look.region)
    drawn = render(design, np.random.default_rng(look.seed), look.serial, width=480)
    return _linear(drawn.image[..., ::-1])


def _linear(picture: np.ndarray) -> Light:
    return np.asarray((picture.astype(np.float32) / 255) ** 2.2, dtype=np.float32)


def _seen(eye: Points, ray: Points, look: Look, plate: Light) -> tuple[Light, Field]:
    """The light along each ray, and how far what it shows is."""
    travelled, hit = _march(eye, ray)
    light, far = _surroundings(eye, ray, look)
    if hit.any():
        at = eye + ray[hit] * travelled[hit]
        light[hit] = _solid(at, ray[hit], look, plate)
    return light, np.where(hit, travelled, far)


def _field(p: Points) -> Field:
    return np.minimum(car.distance(p), _barrier(p))


def _barrier(p: Points) -> Field:
    """The gate's post and its raised boom."""
    post = box(p, (-2.6, 0.55, -0.6), (0.16, 0.55, 0.14), 0.03)
    boom = capsule(p, (-2.6, 0.98, -0.42), (-4.3, 3.6, -0.42), 0.045)
    return np.minimum(post, boom)


def _march(origin: Points, ray: Points, longest: float = 14.0, steps: int = 110) -> tuple[Field, NDArray[np.bool_]]:
    """How far each ray gets until it meets a solid, and whether it does."""
    travelled = np.full(ray.x.shape, 2.5, dtype=np.float32)
    hit = np.zeros(ray.x.shape, dtype=bool)
    active = np.flatnonzero(_aims_near(origin, ray))
    for _ in range(steps):
        if not len(active):
            break
        gap = _field(origin + ray[active] * travelled[active])
        touching = gap < 0.0012
        hit[active[touching]] = True
        travelled[active] += np.where(touching, 0, gap * 0.8)
        active = active[~touching & (travelled[active] < longest)]
    return travelled, hit


def _aims_near(origin: Points, ray: Points) -> NDArray[np.bool_]:
    """Whether a ray passes the box that holds all solids."""
    low, high = point(-4.6, 0.0, -2.4), point(1.2, 3.8, 2.3)
    enter = np.full(ray.x.shape, -np.inf, dtype=np.float32)
    leave = np.full(ray.x.shape, np.inf, dtype=np.float32)
    for start, way, a, b in (
        (origin.x, ray.x, low.x, high.x),
        (origin.y, ray.y, low.y, high.y),
        (origin.z, ray.z, low.z, high.z),
    ):
        slow = np.where(np.abs(way) < 1e-6, 1e-6, way)
        one, other = (a - start) / slow, (b - start) / slow
        enter, leave = np.maximum(enter, np.minimum(one, other)), np.minimum(leave, np.maximum(one, other))
    return (leave > np.maximum(enter, 0)).astype(bool)


def _normal(p: Points) -> Points:
    """The direction in which the distance grows, by four samples on a tetrahedron."""
    total = Points(np.zeros_like(p.x), np.zeros_like(p.x), np.zeros_like(p.x))
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        way = point(*corner)
        total = total + Points(*(np.full_like(p.x, float(a)) for a in (way.x, way.y, way.z))) * _field(p + way * 0.003)
    return total.unit()


def _shadow(p: Points, sharpness: float = 14.0) -> Field:
    """How much of the sun is seen from a point, 0 to 1, with a soft edge."""
    seen = np.ones(p.x.shape, dtype=np.float32)
    travelled = np.full(p.x.shape, 0.03, dtype=np.float32)
    active = np.arange(p.x.size)
    for _ in range(40):
        gap = _field(p[active] + _SUN * travelled[active])
        seen[active] = np.minimum(seen[active], np.clip(sharpness * gap / travelled[active], 0, 1))
        travelled[active] += np.clip(gap, 0.02, 0.35)
        active = active[(seen[active] > 0.01) & (travelled[active] < 4.5)]
        if not len(active):
            break
    return np.asarray(seen * seen * (3 - 2 * seen), dtype=np.float32)


def _openness(p: Points, normal: Points, reach: float) -> Field:
    """How much of the sky a point sees, 0 to 1: distances found along the normal, against those expected (ambient
    occlusion)."""
    hidden = np.zeros(p.x.shape, dtype=np.float32)
    for step in range(1, 6):
        away = reach * step / 5
        hidden += np.clip(away - _field(p + normal * away), 0, None) / away * np.float32(0.7**step)
    return np.asarray(np.clip(1 - 0.62 * hidden, 0, 1), dtype=np.float32)


def _sky(ray: Points, look: Look) -> Light:
    """The light of the sky in a direction: blue above, pale at the horizon, some clouds."""
    high = np.clip(ray.y, 0.0, 1.0)[..., None]
    horizon, zenith = np.array([0.80, 0.86, 0.92], np.float32), np.array([0.20, 0.38, 0.72], np.float32)
    blue = horizon + (zenith - horizon) * np.sqrt(high)
    over = np.maximum(ray.y, 0.06)
    cover = clouds(ray.x / over * 1.1 + 3.0, ray.z / over * 1.1, look.seed + 50)
    cover = np.clip((cover - 0.46) * 3.6, 0, 1) * np.clip((ray.y - 0.02) * 6, 0, 1)
    sun = np.clip(ray.dot(_SUN), 0, 1) ** 350
    return np.asarray(blue + cover[..., None] * (np.float32(1.05) - blue) * 0.85 + sun[..., None] * 9, dtype=np.float32)


def _mirrored(ray: Points, look: Look) -> Light:
    """What a polished surface mirrors: sky, a row of houses and trees opposite, the ground."""
    azimuth = np.arctan2(ray.x, ray.z)
    skyline = (
        0.10
        + 0.13 * value_noise(azimuth * 5.0, azimuth * 0, look.seed + 7)
        + 0.03 * value_noise(azimuth * 31.0, azimuth * 0, look.seed + 8)
    )
    houses = np.clip((skyline - ray.y) * 45, 0, 1)[..., None]
    ground = np.clip((-0.01 - ray.y) * 30, 0, 1)[..., None]
    shade = 0.10 + 0.12 * value_noise(azimuth * 17.0, ray.y * 30.0, look.seed + 9)[..., None]
    light = _sky(ray, look) * (1 - houses) + houses * shade * np.array([1.0, 0.98, 0.92], np.float32)
    return np.asarray(light * (1 - ground) + ground * np.array([0.24, 0.235, 0.23], np.float32), dtype=np.float32)


def _solid(p: Points, ray: Points, look: Look, plate: Light) -> Light:
    """The light from the car or the barrier at points of their surface."""
    normal = _normal(p)
    kind = car.material(p, normal)
    kind[_barrier(p) < 0.01] = _BARRIER
    sun = np.clip(normal.dot(_SUN), 0, 1) * _shadow(p + normal * 0.01)
    open_sky = _openness(p, normal, 0.5)
    facing = np.clip(-normal.dot(ray), 0, 1)
    mirror = ray - normal * (2 * normal.dot(ray))
    reflected = _mirrored(mirror, look) * (0.35 + 0.65 * open_sky)[..., None]
    sky = (0.30 + 0.70 * (0.5 + 0.5 * normal.y)) * open_sky
    lit = sun[..., None] * _SUNLIGHT + sky[..., None] * np.array([0.50, 0.58, 0.70], np.float32)
    lit += np.clip(-normal.y, 0, 1)[..., None] * (open_sky * 0.16)[..., None]
    color = _colors(p, normal, kind, look, plate)
    gloss, base = _gloss(kind)
    mirrored = (base + (1 - base) * (1 - facing) ** 5) * gloss
    glint = np.clip(mirror.dot(_SUN), 0, 1) ** 420 * 14 * (sun > 0.02) * gloss
    lamp = _lamps(p, kind, look, mirror)
    return np.asarray(
        color * lit * (1 - 0.6 * mirrored)[..., None] + reflected * mirrored[..., None] + glint[..., None] * 0.9 + lamp,
        dtype=np.float32,
    )


def _gloss(kind: np.ndarray) -> tuple[Field, Field]:
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
    strength[_BARRIER], base[_BARRIER] = 0.25, 0.04
    return strength[kind], base[kind]


def _colors(p: Points, normal: Points, kind: np.ndarray, look: Look, plate: Light) -> Light:
    """The share of light that each point gives back, by colour."""
    table = np.full((256, 3), 0.03, dtype=np.float32)
    paint = np.array(look.paint, dtype=np.float32)
    for material, value in (
        (Material.PAINT, paint),
        (Material.MIRROR, paint),
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
    flakes = 1 + 0.05 * (value_noise(p.x * 900, (p.y + p.z) * 900, look.seed) - 0.5)
    color *= np.where(kind == Material.PAINT, flakes, 1)[..., None]
    dust = np.clip((0.55 - p.y) * 1.2, 0, 0.4) * clouds(p.x * 9 + p.z * 9, p.y * 9, look.seed + 3)
    dusty = (dust * np.isin(kind, (Material.PAINT, Material.TYRE, Material.BLACK)))[..., None]
    color += dusty * (np.array([0.20, 0.18, 0.15], np.float32) - color)
    slats = (kind == Material.GRILLE) & (np.abs(((p.y * 26) % 1) - 0.5) < 0.16)
    color[slats] = 0.10
    seats = (kind == Material.GLASS) & _inside(p)
    color[seats] = 0.032
    boom = (kind == _BARRIER) & (p.y > 1.12)
    stripes = np.floor(p.y * 2.83) % 2 == 0
    color[kind == _BARRIER] = (0.50, 0.33, 0.03)
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
    rim = np.abs(np.hypot((x - 0.36) / 1.0, (y - 1.05) / 0.8) - 0.15) < 0.012
    return np.asarray((heads | rim) & (p.z > 0), dtype=np.bool_)


def _texture(plate: Light, p: Points) -> Light:
    """The plate's colours at points of its face."""
    height, width = plate.shape[:2]
    u = (p.x - car.PLATE_CENTER[0]) / (2 * car.PLATE_HALF[0]) + 0.5
    v = 0.5 - (p.y - car.PLATE_CENTER[1]) / (2 * car.PLATE_HALF[1])
    columns, rows = (u * width - 0.5).astype(np.float32), (v * height - 0.5).astype(np.float32)
    found = cv2.remap(plate, columns[:, None], rows[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[:, 0], dtype=np.float32)


def _lamps(p: Points, kind: np.ndarray, look: Look, mirror: Points) -> Light:
    """The inner life of the headlamps: reflectors around two lenses, and a bright strip along the lower edge."""
    light = np.zeros((*kind.shape, 3), dtype=np.float32)
    inside = kind == Material.LAMP
    if not inside.any():
        return light
    q = Points(np.abs(p.x[inside]), p.y[inside], p.z[inside])
    edge = car.lamp_outline(q)
    near = np.minimum(np.hypot(q.x - 0.585, q.y - 0.672), np.hypot(q.x - 0.715, q.y - 0.70))
    facets = 0.10 + 0.22 * value_noise(q.x * 46, q.y * 46, look.seed + 4) * np.clip(
        _mirrored(mirror[inside], look).mean(axis=1), 0, 1
    )
    ring = np.exp(-(((near - 0.040) / 0.006) ** 2)) * 0.45
    lens = np.exp(-((near / 0.024) ** 2)) * 0.9 - 0.10 * (near < 0.034)
    strip = np.exp(-(((edge + 0.014) / 0.006) ** 2)) * (q.y < 0.66 + 0.35 * (q.x - 0.5)) * 1.5
    light[inside] = np.clip(facets + ring + lens + strip, 0.02, None)[..., None] * np.array(
        [0.96, 0.98, 1.0], np.float32
    )
    return light


def _surroundings(eye: Points, ray: Points, look: Look) -> tuple[Light, Field]:
    """What is seen past the car: the yard's floor, then a building, a hedge and trees, then the sky."""
    light = _sky(ray, look)
    far = np.full(ray.x.shape, 60.0, dtype=np.float32)
    to_wall = np.where(ray.z < -1e-4, (_WALL_Z - eye.z) / np.minimum(ray.z, -1e-4), np.float32(1e3))
    to_floor = np.where(ray.y < -1e-4, -eye.y / np.minimum(ray.y, -1e-4), np.float32(1e3))
    floor = to_floor < to_wall
    if floor.any():
        light[floor] = _floor(eye + ray[floor] * to_floor[floor], look)
        far[floor] = to_floor[floor]
    wall = ~floor & (to_wall < 100)
    if wall.any():
        at = eye + ray[wall] * to_wall[wall]
        light[wall] = _backdrop(at, light[wall], look)
        far[wall] = to_wall[wall]
    return light, far


def _floor(p: Points, look: Look) -> Light:
    """Asphalt with stains, joints and a painted bay; the car's shadow lies on it."""
    grain = 0.75 + 0.5 * clouds(p.x * 40, p.z * 40, look.seed + 11, 3)
    patches = 0.82 + 0.36 * clouds(p.x * 0.7, p.z * 0.7, look.seed + 12)
    tone = 0.115 * grain * patches
    oil = np.exp(-((p.x - 0.2) ** 2 / 0.6 + (p.z - 3.6) ** 2 / 1.1)) * clouds(p.x * 3, p.z * 3, look.seed + 13)
    tone *= 1 - 0.5 * oil
    cracks = np.abs(clouds(p.x * 0.9, p.z * 0.9, look.seed + 14) - 0.5) < 0.0035
    tone = np.where(cracks, tone * 0.55, tone)
    worn = np.clip(clouds(p.x * 6, p.z * 6, look.seed + 15) * 2.2 - 0.45, 0, 1)
    lines = ((np.abs(np.abs(p.x + 0.1) - 1.75) < 0.055) & (p.z < 2.9)) | (
        (np.abs(p.z - 3.0) < 0.11) & (np.abs(p.x + 0.1) > 1.8)
    )
    tone = np.where(lines, tone + (0.52 - tone) * worn, tone)
    pavement = p.z < -5.9
    slabs = (np.abs((p.x * 1.1) % 1) < 0.02) | (np.abs((p.z * 1.6) % 1) < 0.03)
    tone = np.where(pavement, 0.30 * grain * np.where(slabs, 0.72, 1.0), tone)
    kerb = (p.z < -5.75) & (p.z > -5.9)
    tone = np.where(kerb, 0.40, tone)
    near = (np.abs(p.x) < 5.5) & (np.abs(p.z) < 5.0)
    sun, sky = np.ones(p.x.shape, dtype=np.float32), np.ones(p.x.shape, dtype=np.float32)
    if near.any():
        at = Points(p.x[near], np.full_like(p.x[near], 0.004), p.z[near])
        up = Points(np.zeros_like(at.x), np.ones_like(at.x), np.zeros_like(at.x))
        sun[near] = _shadow(at, 9.0)
        sky[near] = _openness(at, up, 0.75) ** 1.4
    sun *= np.where(p.z < _WALL_Z + 0.5, 0.8, 1.0)
    lit = (sun * _SUN.y)[..., None] * _SUNLIGHT + sky[..., None] * np.array([0.42, 0.48, 0.56], np.float32)
    return np.asarray(tone[..., None] * np.array([1.0, 0.985, 0.96], np.float32) * lit, dtype=np.float32)


def _backdrop(p: Points, sky: Light, look: Look) -> Light:
    """A rendered facade with windows and a gate on the left, a hedge and trees on the right."""
    facade = p.x < 1.9
    light = _trees(p, sky, look)
    light[facade] = _facade(p[facade], look)
    return light


def _facade(p: Points, look: Look) -> Light:
    plaster = (
        0.52
        + 0.10 * clouds(p.x * 2, p.y * 2, look.seed + 21)
        + 0.06 * (clouds(p.x * 30, p.y * 30, look.seed + 22, 3) - 0.5)
    )
    streaks = 0.12 * np.clip(clouds(p.x * 5, p.y * 0.35, look.seed + 23) - 0.45, 0, 1)
    color = (plaster - streaks)[..., None] * np.array([1.0, 0.93, 0.82], np.float32)
    base = p.y < 0.55
    brick = (np.abs((p.y * 12) % 1) < 0.12) | (np.abs((p.x * 4 + np.floor(p.y * 12) * 0.5) % 1) < 0.04)
    stone = np.where(
        brick,
        0.42,
        0.26 + 0.12 * value_noise(np.floor(p.x * 4 + np.floor(p.y * 12) * 0.5), np.floor(p.y * 12), look.seed + 24),
    )
    color = np.where(base[..., None], stone[..., None] * np.array([1.0, 0.72, 0.58], np.float32), color)
    lit = color * (0.72 * _SUNLIGHT * 0.58 + 0.42)
    u, v = (p.x + 7.9) % 2.3, p.y
    frame = (u > 0.45) & (u < 1.75) & (v > 1.05) & (v < 2.65)
    pane = (u > 0.53) & (u < 1.67) & (v > 1.13) & (v < 2.57) & (np.abs(u - 1.10) > 0.03)
    sill = (u > 0.38) & (u < 1.82) & (v > 0.97) & (v < 1.05)
    shutter = (p.x < -4.2) & (v < 2.75) & (p.x > -7.6)
    window = 0.10 + 0.30 * np.clip((v - 1.1) / 1.5, 0, 1) * clouds(p.x * 1.3, v * 1.3, look.seed + 25)
    lit = np.where(frame[..., None], np.float32(0.85), lit)
    lit = np.where(pane[..., None], window[..., None] * np.array([0.8, 0.95, 1.1], np.float32), lit)
    lit = np.where(sill[..., None], np.float32(0.72), lit)
    slats = 0.42 + 0.13 * np.abs(((v * 7) % 1) - 0.5)
    lit = np.where(shutter[..., None], slats[..., None] * np.array([0.62, 0.72, 0.80], np.float32), lit)
    under = np.clip((p.y - 0.0) * 3, 0.45, 1)
    return np.asarray(lit * under[..., None], dtype=np.float32)


def _trees(p: Points, sky: Light, look: Look) -> Light:
    leaves = clouds(p.x * 5, p.y * 5, look.seed + 31)
    crown = (
        3.0
        + 1.6 * value_noise(p.x * 0.55, p.x * 0, look.seed + 32)
        + 0.8 * (clouds(p.x * 4, p.y * 4, look.seed + 33) - 0.5)
    )
    hedge = 1.15 + 0.12 * clouds(p.x * 5, p.y * 5, look.seed + 34)
    shade = np.clip(0.25 + 1.5 * (leaves - 0.38), 0.05, 1.2)
    green = shade[..., None] * np.array([0.16, 0.25, 0.07], np.float32)
    front = (shade * np.clip(0.55 + 0.5 * p.y, 0, 1.1))[..., None] * np.array([0.14, 0.27, 0.08], np.float32)
    light = np.where((p.y < crown)[..., None], green, sky)
    return np.asarray(np.where((p.y < hedge)[..., None], front, light), dtype=np.float32)


def _photograph(light: Light, depth: Field, rng: np.random.Generator) -> Image:
    """Focus, bloom, exposure, sampling, vignette, noise: the scene through a plain camera."""
    distant = cv2.GaussianBlur(light, (0, 0), light.shape[1] / WIDTH * 1.7)
    share = np.clip((depth - 9.5) / 3.5, 0, 1)[..., None]
    sharp = light * (1 - share) + distant * share
    glow = cv2.GaussianBlur(np.clip(sharp - 1.2, 0, 4), (0, 0), light.shape[1] / WIDTH * 5)
    exposed = cv2.resize(sharp + 0.25 * glow, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) * np.float32(0.72)
    toned = exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14)
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    toned *= (1 - 0.13 * (x * x + y * y))[..., None]
    picture = np.clip(toned, 0, 1) ** (1 / 2.2) * 255
    picture = cv2.GaussianBlur(picture, (0, 0), 0.45)
    fine = rng.normal(0, 2.2, picture.shape) + cv2.GaussianBlur(rng.normal(0, 3.0, picture.shape), (0, 0), 0.8)
    return np.asarray(np.clip(picture + fine, 0, 255)[..., ::-1], dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("samples/gate.jpg"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--detail", type=float, default=2.0, help="rays along each side of a pixel")
    arguments = parser.parse_args()
    look = Look(arguments.seed, (0.19, 0.010, 0.014), Serial(("GK-482-TV",)), "fr")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out), draw(look, arguments.detail), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
