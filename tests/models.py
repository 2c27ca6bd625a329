"""The models that the project ships, as the services know them."""

from __future__ import annotations

from typing import Final

from detector.calibration import Calibration
from ocr import region_prior
from platelane.resources import MODELS
from platelane.vision.model_specs import ModelRepository

SHIPPED: Final = ModelRepository(MODELS)
CALIBRATION: Final = Calibration.of(SHIPPED)
DSCORE: Final = SHIPPED.dscore


def templates(codes: tuple[str, ...] = SHIPPED.regions) -> region_prior.Templates:
    """What ocr weighs the texts of these regions by."""
    return region_prior.templates(codes, SHIPPED.template_fit_file)
