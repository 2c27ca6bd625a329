"""The yard around the car: sun and sky, the gate's barrier, the floor and its shadows, a building, a hedge, trees."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from samples.render.marching import Solids, openness, sunlit
from samples.render.solids import Field, Points, box, capsule, point
from training.synthesis.noise import clouds, value_noise

Light = NDArray[np.float32]
"""Linear light, shape (..., 3), red-green-blue."""

SUN: Final = point(-0.52, 0.62, 0.58).unit()
"""The direction towards the sun."""
SUNLIGHT: Final = np.array([1.95, 1.75, 1.48], dtype=np.float32)
_WALL_Z: Final = -7.5


def barrier(p: Points) -> Field:
    """The gate's post and its raised boom."""
    post = box(p, (-2.6, 0.55, -0.6), (0.16, 0.55, 0.14), 0.03)
    boom = capsule(p, (-2.6, 0.98, -0.42), (-4.3, 3.6, -0.42), 0.045)
    return np.minimum(post, boom)


def sky(ray: Points, seed: int) -> Light:
    """The light of the sky in a direction: blue above, pale at the horizon, some clouds."""
    high = np.clip(ray.y, 0.0, 1.0)[..., None]
    horizon, zenith = np.array([0.80, 0.86, 0.92], np.float32), np.array([0.20, 0.38, 0.72], np.float32)
    blue = horizon + (zenith - horizon) * np.sqrt(high)
    over = np.maximum(ray.y, 0.06)
    cover = clouds(ray.x / over * 1.1 + 3.0, ray.z / over * 1.1, seed + 50)
    cover = np.clip((cover - 0.46) * 3.6, 0, 1) * np.clip((ray.y - 0.02) * 6, 0, 1)
    sun = np.clip(ray.dot(SUN), 0, 1) ** 350
    return np.asarray(blue + cover[..., None] * (np.float32(1.05) - blue) * 0.85 + sun[..., None] * 9, dtype=np.float32)


def mirrored(ray: Points, seed: int) -> Light:
    """What a polished surface mirrors: sky, a row of houses and trees opposite, the ground."""
    azimuth = np.arctan2(ray.x, ray.z)
    skyline = (
        0.10
        + 0.13 * value_noise(azimuth * 5.0, azimuth * 0, seed + 7)
        + 0.03 * value_noise(azimuth * 31.0, azimuth * 0, seed + 8)
    )
    houses = np.clip((skyline - ray.y) * 45, 0, 1)[..., None]
    ground = np.clip((-0.01 - ray.y) * 30, 0, 1)[..., None]
    shade = 0.10 + 0.12 * value_noise(azimuth * 17.0, ray.y * 30.0, seed + 9)[..., None]
    light = sky(ray, seed) * (1 - houses) + houses * shade * np.array([1.0, 0.98, 0.92], np.float32)
    return np.asarray(light * (1 - ground) + ground * np.array([0.24, 0.235, 0.23], np.float32), dtype=np.float32)


def surroundings(eye: Points, ray: Points, solids: Solids, seed: int) -> tuple[Light, Field]:
    """What is seen past the car: the yard's floor, then a building, a hedge and trees, then the sky."""
    light = sky(ray, seed)
    far = np.full(ray.x.shape, 60.0, dtype=np.float32)
    to_wall = np.where(ray.z < -1e-4, (_WALL_Z - eye.z) / np.minimum(ray.z, -1e-4), np.float32(1e3))
    to_floor = np.where(ray.y < -1e-4, -eye.y / np.minimum(ray.y, -1e-4), np.float32(1e3))
    floor = to_floor < to_wall
    if floor.any():
        light[floor] = _floor(eye + ray[floor] * to_floor[floor], solids, seed)
        far[floor] = to_floor[floor]
    wall = ~floor & (to_wall < 100)
    if wall.any():
        at = eye + ray[wall] * to_wall[wall]
        light[wall] = _backdrop(at, light[wall], seed)
        far[wall] = to_wall[wall]
    return light, far


def _floor(p: Points, solids: Solids, seed: int) -> Light:
    """Asphalt with stains, joints and a painted bay; the car's shadow lies on it."""
    grain = 0.75 + 0.5 * clouds(p.x * 40, p.z * 40, seed + 11, 3)
    patches = 0.82 + 0.36 * clouds(p.x * 0.7, p.z * 0.7, seed + 12)
    tone = 0.115 * grain * patches
    oil = np.exp(-((p.x - 0.2) ** 2 / 0.6 + (p.z - 3.6) ** 2 / 1.1)) * clouds(p.x * 3, p.z * 3, seed + 13)
    tone *= 1 - 0.5 * oil
    cracks = np.abs(clouds(p.x * 0.9, p.z * 0.9, seed + 14) - 0.5) < 0.0035
    tone = np.where(cracks, tone * 0.55, tone)
    worn = np.clip(clouds(p.x * 6, p.z * 6, seed + 15) * 2.2 - 0.45, 0, 1)
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
        sun[near] = sunlit(solids, at, SUN, 9.0)
        sky[near] = openness(solids, at, up, 0.75) ** 1.4
    sun *= np.where(p.z < _WALL_Z + 0.5, 0.8, 1.0)
    lit = (sun * SUN.y)[..., None] * SUNLIGHT + sky[..., None] * np.array([0.42, 0.48, 0.56], np.float32)
    return np.asarray(tone[..., None] * np.array([1.0, 0.985, 0.96], np.float32) * lit, dtype=np.float32)


def _backdrop(p: Points, sky: Light, seed: int) -> Light:
    """A rendered facade with windows and a gate on the left, a hedge and trees on the right."""
    facade = p.x < 1.9
    light = _trees(p, sky, seed)
    light[facade] = _facade(p[facade], seed)
    return light


def _facade(p: Points, seed: int) -> Light:
    plaster = (
        0.52 + 0.10 * clouds(p.x * 2, p.y * 2, seed + 21) + 0.06 * (clouds(p.x * 30, p.y * 30, seed + 22, 3) - 0.5)
    )
    streaks = 0.12 * np.clip(clouds(p.x * 5, p.y * 0.35, seed + 23) - 0.45, 0, 1)
    color = (plaster - streaks)[..., None] * np.array([1.0, 0.93, 0.82], np.float32)
    base = p.y < 0.55
    brick = (np.abs((p.y * 12) % 1) < 0.12) | (np.abs((p.x * 4 + np.floor(p.y * 12) * 0.5) % 1) < 0.04)
    stone = np.where(
        brick,
        0.42,
        0.26 + 0.12 * value_noise(np.floor(p.x * 4 + np.floor(p.y * 12) * 0.5), np.floor(p.y * 12), seed + 24),
    )
    color = np.where(base[..., None], stone[..., None] * np.array([1.0, 0.72, 0.58], np.float32), color)
    lit = color * (0.72 * SUNLIGHT * 0.58 + 0.42)
    u, v = (p.x + 7.9) % 2.3, p.y
    frame = (u > 0.45) & (u < 1.75) & (v > 1.05) & (v < 2.65)
    pane = (u > 0.53) & (u < 1.67) & (v > 1.13) & (v < 2.57) & (np.abs(u - 1.10) > 0.03)
    sill = (u > 0.38) & (u < 1.82) & (v > 0.97) & (v < 1.05)
    shutter = (p.x < -4.2) & (v < 2.75) & (p.x > -7.6)
    window = 0.10 + 0.30 * np.clip((v - 1.1) / 1.5, 0, 1) * clouds(p.x * 1.3, v * 1.3, seed + 25)
    lit = np.where(frame[..., None], np.float32(0.85), lit)
    lit = np.where(pane[..., None], window[..., None] * np.array([0.8, 0.95, 1.1], np.float32), lit)
    lit = np.where(sill[..., None], np.float32(0.72), lit)
    slats = 0.42 + 0.13 * np.abs(((v * 7) % 1) - 0.5)
    lit = np.where(shutter[..., None], slats[..., None] * np.array([0.62, 0.72, 0.80], np.float32), lit)
    under = np.clip(p.y * 3, 0.45, 1)
    return np.asarray(lit * under[..., None], dtype=np.float32)


def _trees(p: Points, sky: Light, seed: int) -> Light:
    leaves = clouds(p.x * 5, p.y * 5, seed + 31)
    crown = 3.0 + 1.6 * value_noise(p.x * 0.55, p.x * 0, seed + 32) + 0.8 * (clouds(p.x * 4, p.y * 4, seed + 33) - 0.5)
    hedge = 1.15 + 0.12 * clouds(p.x * 5, p.y * 5, seed + 34)
    shade = np.clip(0.25 + 1.5 * (leaves - 0.38), 0.05, 1.2)
    green = shade[..., None] * np.array([0.16, 0.25, 0.07], np.float32)
    front = (shade * np.clip(0.55 + 0.5 * p.y, 0, 1.1))[..., None] * np.array([0.14, 0.27, 0.08], np.float32)
    light = np.where((p.y < crown)[..., None], green, sky)
    return np.asarray(np.where((p.y < hedge)[..., None], front, light), dtype=np.float32)
