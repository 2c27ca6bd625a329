"""Draws one wholly artificial photograph, a car in a yard, for samples and demonstrations: no real picture is in it.

`python -m samples.render.scene --out samples/gate.jpg --seed 1` marches rays through the distance field of
`car.py`, lights them with a sun and a sky, and finishes with the faults of a camera. The plate is drawn by `plate.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from platelane.vision.crops import Image
from samples.render import car
from samples.render.coating import BARRIER, colors, gloss, lamps
from samples.render.marching import march, normals, openness, sunlit
from samples.render.solids import Field, Points, point
from samples.render.yard import SUN, SUNLIGHT, Light, barrier, mirrored, surroundings
from training.synthesis.catalogue import DESIGNS
from training.synthesis.plate import render
from training.synthesis.serials import Serial

WIDTH: Final = 1280
HEIGHT: Final = 720
_CHUNK: Final = 60_000
_LOW: Final = point(-4.6, 0.0, -2.4)
_HIGH: Final = point(1.2, 3.8, 2.3)
"""The box that holds the car and the barrier."""


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


def _linear(picture: Image) -> Light:
    return np.asarray((picture.astype(np.float32) / 255) ** 2.2, dtype=np.float32)


def _seen(eye: Points, ray: Points, look: Look, plate: Light) -> tuple[Light, Field]:
    """The light along each ray, and how far what it shows is."""
    travelled, hit = march(_solids, eye, ray, _LOW, _HIGH)
    light, far = surroundings(eye, ray, _solids, look.seed)
    if hit.any():
        at = eye + ray[hit] * travelled[hit]
        light[hit] = _solid(at, ray[hit], look, plate)
    return light, np.where(hit, travelled, far)


def _solids(p: Points) -> Field:
    return np.minimum(car.distance(p), barrier(p))


def _solid(p: Points, ray: Points, look: Look, plate: Light) -> Light:
    """The light from the car or the barrier at points of their surface."""
    normal = normals(_solids, p)
    kind = car.material(p, normal)
    kind[barrier(p) < 0.01] = BARRIER
    sun = np.clip(normal.dot(SUN), 0, 1) * sunlit(_solids, p + normal * 0.01, SUN)
    open_sky = openness(_solids, p, normal, 0.5)
    facing = np.clip(-normal.dot(ray), 0, 1)
    mirror = ray - normal * (2 * normal.dot(ray))
    reflected = mirrored(mirror, look.seed) * (0.35 + 0.65 * open_sky)[..., None]
    sky = (0.30 + 0.70 * (0.5 + 0.5 * normal.y)) * open_sky
    lit = sun[..., None] * SUNLIGHT + sky[..., None] * np.array([0.50, 0.58, 0.70], np.float32)
    lit += np.clip(-normal.y, 0, 1)[..., None] * (open_sky * 0.16)[..., None]
    color = colors(p, normal, kind, look.paint, plate, look.seed)
    strength, base = gloss(kind)
    share = (base + (1 - base) * (1 - facing) ** 5) * strength
    glint = np.clip(mirror.dot(SUN), 0, 1) ** 420 * 14 * (sun > 0.02) * strength
    lamp = lamps(p, kind, mirror, look.seed)
    return np.asarray(
        color * lit * (1 - 0.6 * share)[..., None] + reflected * share[..., None] + glint[..., None] * 0.9 + lamp,
        dtype=np.float32,
    )


def _photograph(light: Light, depth: Field, random: np.random.Generator) -> Image:
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
    fine = random.normal(0, 2.2, picture.shape) + cv2.GaussianBlur(random.normal(0, 3.0, picture.shape), (0, 0), 0.8)
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
