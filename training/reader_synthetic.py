"""Drawn plates in real surroundings, as samples for the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.geometry import Corners
from training.reader_samples import Sample
from training.reader_text import target
from training.synthesis.catalogue import choose
from training.synthesis.paste import covering, of_shape, pasted, sides
from training.synthesis.plate import render
from training.synthesis.wear import worn


@dataclass(frozen=True, slots=True)
class SyntheticPlates:
    """An endless source of drawn plates, pasted over those real ones that have room around them."""

    hosts: Sequence[Sample]
    """In the order of their aspect ratio."""
    aspects: NDArray[np.float64]

    @classmethod
    def over(cls, samples: Sequence[Sample]) -> SyntheticPlates:
        hosts = sorted((sample for sample in samples if _has_room(sample)), key=lambda sample: _aspect(sample.corners))
        return cls(hosts, np.array([_aspect(host.corners) for host in hosts]))

    def sample(self, severity: float, random: np.random.Generator) -> Sample:
        """One drawn plate, worn by up to `severity`, in a host of about its shape."""
        plate = render(choose(random), random)
        flat = worn(plate.image, severity * random.random(), random)
        aspect = flat.shape[1] / flat.shape[0]
        host = self.hosts[of_shape(self.aspects, aspect, random)]
        corners = covering(host.corners, aspect)
        return Sample(
            pasted(host.image, corners, flat, random), corners, target(plate.text), plate.region, legible=True
        )


def _aspect(corners: Corners) -> float:
    along, down = sides(corners)
    return along / down


def _has_room(sample: Sample) -> bool:
    """Whether the surroundings are in the picture and the plate is large enough to show a drawn one."""
    height, width = sample.image.shape[:2]
    area = float(cv2.contourArea(sample.corners))
    return bool(1000 < area < 0.65 * width * height)
