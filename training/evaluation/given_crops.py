"""Measures the models alone: labelled crops go to the same Triton server, so detection does not matter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from attributes.decode import decode
from ocr import region_prior
from ocr.decode import DecodedCrop, read
from ocr.plates import calibrate
from platelane.pb.v1 import domain_pb2
from platelane.resources import MODELS
from platelane.vision import crops
from platelane.vision.geometry import Box
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelRepository, ModelSpec
from training.data.dataset import DataPart, Row, Split, quadrilateral
from training.evaluation.labels import readable

_BATCH: Final = 16
_SECONDS: Final = 60.0

_MODELS: Final = ModelRepository(MODELS)


@dataclass(frozen=True, slots=True)
class ReadCrop:
    """A labelled plate crop and its reading; `text` is empty if unknown."""

    set: str
    region: str
    legibility: str
    text: str
    plate: domain_pb2.Plate


@dataclass(frozen=True, slots=True)
class DescribedCrop:
    row: Row
    vehicle: domain_pb2.Vehicle


def read_plates(triton_url: str, part: DataPart, split: Split) -> list[ReadCrop]:
    rows = part.rows(split)
    templates = region_prior.templates(_MODELS.regions, _MODELS.template_fit_file)
    outputs = asyncio.run(_infer(triton_url, _MODELS.reader, rectified(part, rows)))
    found = []
    for row, output in zip(rows, outputs, strict=True):
        crop = DecodedCrop.of(output["characters"], output["region"], _MODELS.characters)
        plate = read([crop], _MODELS.characters, templates)
        calibrate(plate, _MODELS.text_score)
        text = readable(row["text"], row["region"])
        found.append(ReadCrop(row["set"], row["region"], row["legibility"], text, plate))
    return found


def rectified(part: DataPart, rows: Sequence[Row]) -> list[crops.Image]:
    """The plates, cut by their labelled corners; each row has a separate picture."""
    pictures = part.pictures([row["file"] for row in rows])
    return [
        crops.rectify_plate(image, quadrilateral(row, image)) for row, (_, image) in zip(rows, pictures, strict=True)
    ]


def describe_vehicles(triton_url: str, part: DataPart, split: Split) -> list[DescribedCrop]:
    rows = part.rows(split)
    pictures = part.pictures([row["file"] for row in rows])
    inputs = [crops.crop_vehicle(image, Box(0, 0, image.shape[1], image.shape[0])) for _, image in pictures]
    outputs = asyncio.run(_infer(triton_url, _MODELS.attributes, inputs))
    labels = _MODELS.attribute_labels
    return [DescribedCrop(row, decode(output, labels)) for row, output in zip(rows, outputs, strict=True)]


async def _infer(url: str, model: ModelSpec, inputs: Sequence[crops.Image]) -> list[dict[str, NDArray[Any]]]:
    answers: list[dict[str, NDArray[Any]]] = []
    async with InferenceClient(url) as inference:
        for batch in tqdm(list(_batches(inputs)), desc=model.name, unit="batch"):
            outputs = await inference.infer(model, np.stack(batch), time.time() + _SECONDS)
            answers += [{name: values[i] for name, values in outputs.items()} for i in range(len(batch))]
    return answers


def _batches(inputs: Sequence[crops.Image]) -> Iterator[Sequence[crops.Image]]:
    for start in range(0, len(inputs), _BATCH):
        yield inputs[start : start + _BATCH]
