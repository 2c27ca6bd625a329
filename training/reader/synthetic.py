"""Drawn plates as samples for the reader, in real surroundings, or drawn ones if no photograph has room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image, cut
from platelane.vision.geometry import Box, Corners
from training.reader.samples import DESIGNS, Sample
from training.reader.text import target
from training.synthesis.catalogue import choose
from training.synthesis.designs import Design
from training.synthesis.paste import covering, of_shape, pasted, sides
from training.synthesis.plate import render
from training.synthesis.surroundings import ROOM, surroundings
from training.synthesis.wear import worn

FULL: Final = 0.65
"""Plates that fill a larger share of their picture leave no room around them."""
SMALLEST: Final = 1000.0
"""Least area in pixels of a plate that a drawn one replaces."""
PUBLISHED_SHARE: Final = 0.3
"""Share of the drawn plates of a region with published designs that use one as their background."""


@dataclass(frozen=True, slots=True)
class SyntheticPlates:
    """An endless source of drawn plates, pasted over real ones. A share `drawn` of them, or all if there are no
    photographs to paste into, have drawn surroundings."""

    hosts: Sequence[Sample]
    """Sorted by aspect ratio."""
    aspects: NDArray[np.float64]
    drawn: float = 0.0
    papers: Mapping[str, Sequence[Image]] = field(default_factory=dict)
    """Published designs of each region."""

    @classmethod
    def over(cls, samples: Sequence[Sample], drawn: float = 0.0) -> SyntheticPlates:
        """With `samples` to paste over; those whose plate fills the picture get a margin."""
        real = (each for each in samples if each.group != DESIGNS and cv2.contourArea(each.corners) > SMALLEST)
        hosts = sorted(map(_with_room, real), key=lambda sample: _aspect(sample.corners))
        papers = defaultdict(list)
        for sample in samples:
            if sample.group == DESIGNS:
                papers[sample.region].append(cut(sample.image, Box.around(sample.corners)))
        return cls(hosts, np.array([_aspect(host.corners) for host in hosts]), drawn, dict(papers))

    def sample(self, severity: float, random: np.random.Generator, design: Design | None = None) -> Sample:
        """A drawn plate of a design (default: random), with wear up to `severity`, pasted over one of similar shape."""
        design = design or choose(random)
        papers = self.papers.get(design.region, ())
        paper = papers[int(random.integers(len(papers)))] if papers and random.random() < PUBLISHED_SHARE else None
        plate = render(design, random, paper=paper)
        flat = worn(plate.image, severity * random.random(), random)
        image, corners = self._place(flat.shape[1] / flat.shape[0], random)
        return Sample(pasted(image, corners, flat, random), corners, target(plate.text), plate.region, legible=True)

    def _place(self, aspect: float, random: np.random.Generator) -> tuple[Image, Corners]:
        if not self.hosts or random.random() < self.drawn:
            return surroundings(aspect, random)
        host = self.hosts[of_shape(self.aspects, aspect, random)]
        return host.image, covering(host.corners, aspect)


def _aspect(corners: Corners) -> float:
    along, down = sides(corners)
    return along / down


def _with_room(sample: Sample) -> Sample:
    """The sample; if its plate fills the picture, with the border extended."""
    height, width = sample.image.shape[:2]
    if cv2.contourArea(sample.corners) < FULL * width * height:
        return sample
    plate = Box.around(sample.corners)
    x, y = round(ROOM * plate.width), round(ROOM * plate.height)
    wide = np.asarray(cv2.copyMakeBorder(sample.image, y, y, x, x, cv2.BORDER_REPLICATE), np.uint8)
    moved = np.array([x, y], np.float32)
    return replace(sample, image=wide, corners=sample.corners + moved, cuts=tuple(cut + moved for cut in sample.cuts))
