"""Plates on which the model must not get worse: drawn ones of every region, and labelled pictures of the user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from tqdm import tqdm

from training.reader.augment import degraded, jittered
from training.reader.samples import Sample
from training.reader.synthetic import SyntheticPlates
from training.reader.text import text_of
from training.synthesis import catalogue
from training.synthesis.designs import Design

SEED: Final = 20_260_101
"""The same plates in every run."""
PLATES: Final = 800
WEAR: Final = 0.6
LIGHT: Final = 0.35
"""How hard they are, 0 to 1: most are read, but a reader that forgets loses some."""


def drawn_plates(count: int = PLATES, seed: int = SEED, regions: Sequence[str] = ()) -> list[Sample]:
    """Drawn plates of mediocre picture quality, equally many of each region that has designs.

    `image` is somewhat larger than the plate; `corners` are as inaccurate as a detector's. `regions`: only these.

    Raises:
        FontsMissingError: the fonts are not installed.
    """
    designs: dict[str, list[Design]] = defaultdict(list)
    for design in catalogue.DESIGNS:
        if not regions or design.region in regions:
            designs[design.region].append(design)
    random = np.random.default_rng(seed)
    source = SyntheticPlates.over([])
    order = sorted(designs)
    samples = []
    for i in tqdm(range(count), "drawing plates", unit="plate", dynamic_ncols=True, disable=None):
        own = designs[order[i % len(order)]]
        shares = np.array([design.share for design in own])
        design = own[int(random.choice(len(own), p=shares / shares.sum()))]
        sample = source.sample(WEAR, random, design)
        corners = jittered(sample.corners, LIGHT, random)
        image = degraded(sample.image, LIGHT, random)
        samples.append(Sample(image, corners, sample.classes, sample.region, True, (corners,)))
    return samples


def text(sample: Sample) -> str:
    """The text of a labelled sample."""
    assert sample.classes is not None
    return text_of(sample.classes)
