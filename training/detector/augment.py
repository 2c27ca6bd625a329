"""Augmentation that imitates other cameras: light, lens, sensor, compression and burnt-in text."""

from __future__ import annotations

import math

import cv2
import numpy as np

from platelane.vision.crops import Image
from training.common.camera import compressed, downsampled, motion_blurred
from training.detector.model import PLATE
from training.detector.scenes import Scene


def degrade(image: Image, random: np.random.Generator) -> Image:
    """Degrade a picture like other cameras: light, colour, lens, sensor and compression."""
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
        result = downsampled(result, 1 / random.uniform(1.3, 3.0))
    if random.random() < 0.1:
        result = motion_blurred(result, int(random.integers(3, 8)), random.uniform(0, math.pi))
    if random.random() < 0.15:
        noise = random.normal(0, random.uniform(3, 18), (height, width, 1 if random.random() < 0.5 else 3))
        result = np.clip(result + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        result = compressed(result, int(random.integers(15, 75)))
    return result


def write_overlay(scene: Scene, random: np.random.Generator) -> None:
    """Burn a camera's time stamp or name into the picture, which the model must not take for a plate."""
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
                "lane{}",
                "LANE {}",
                "cam{:02d}",
                "Camera {:02d}",
                "CH{:02d}",
                "IPC{:02d}-{:02d}",
                "EXIT {}",
                "N{:02d} E{:02d}.{:02d}",
                "{:02d}:{:02d}:{:02d}",
            ]
        )
    ).format(*numbers)
    font = int(random.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX]))
    scale = random.uniform(0.3, 1.3)
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
