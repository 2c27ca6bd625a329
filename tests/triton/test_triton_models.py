"""The four models of this repository, as they are served."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from platelane.resources import MODELS
from platelane.vision import crops, model_specs
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelSpec
from tests.models import SHIPPED

from .conftest import Server, ServerFactory

NAMES = ("detector", "aligner", "reader", "attributes")
QUANTISED = ("detector", "reader", "attributes")
"""Those that have a file for processors: the aligner is small, and rounding would move its corners."""
SIZES: dict[str, Sequence[tuple[int, int]]] = {
    "detector": (*crops.FRAME_CANVASES, *crops.FAST_CANVASES, crops.ZOOM_CANVAS),
    "aligner": (crops.PLATE_SHAPE[:2],),
    "reader": (crops.PLATE_SHAPE[:2],),
    "attributes": (crops.VEHICLE_SHAPE[:2],),
}
"""(height, width) of the inputs that the services send."""

RANDOM = np.random.default_rng(3)


def model_file(name: str) -> Path:
    return MODELS / name / "1" / "model.onnx"


def spec(name: str) -> ModelSpec:
    return {
        "detector": model_specs.DETECTOR,
        "aligner": model_specs.ALIGNER,
        "reader": SHIPPED.reader,
        "attributes": SHIPPED.attributes,
    }[name]


@pytest.fixture(scope="module")
def served(make_server: ServerFactory) -> Server:
    missing = [name for name in NAMES if not model_file(name).exists()]
    if missing:
        pytest.skip(f"not trained yet: {', '.join(missing)}")
    server = make_server(MODELS)
    server.start()
    return server


@pytest.mark.parametrize("name", NAMES)
async def test_it_is_the_model_that_the_services_expect(served: Server, name: str) -> None:
    async with InferenceClient(served.url) as client:
        await client.check(spec(name))


@pytest.mark.parametrize("name", NAMES)
async def test_one_picture_alone_and_among_others_gives_the_same(served: Server, name: str) -> None:
    async with InferenceClient(served.url) as client:
        for height, width in SIZES[name]:
            pictures = RANDOM.integers(0, 256, (5, height, width, 3), dtype=np.uint8)
            together = await client.infer(spec(name), pictures, time.time() + 30)
            alone = await client.infer(spec(name), pictures[2:3], time.time() + 30)
            for tensor in spec(name).outputs:
                assert together[tensor.name].shape == (5, *tensor.shape[1:])
                assert np.isfinite(together[tensor.name]).all()
            if name == "aligner":
                np.testing.assert_allclose(together["corners"][2], alone["corners"][0], atol=0.05)
            for output in ("scores", "characters", "region", "type", "color", "orientation", "make_model"):
                if output in alone:
                    np.testing.assert_allclose(together[output][2], alone[output][0], atol=1e-3)


async def test_detections_are_ordered_and_named(served: Server) -> None:
    async with InferenceClient(served.url) as client:
        pictures = RANDOM.integers(0, 256, (2, 384, 640, 3), dtype=np.uint8)
        found = await client.infer(model_specs.DETECTOR, pictures, time.time() + 30)

    assert (np.diff(found["scores"]) < 1e-6).all()
    assert ((found["scores"] >= 0) & (found["scores"] <= 1)).all()
    assert ((found["classes"] >= 0) & (found["classes"] < 5)).all()
    assert (found["boxes"][..., :2] <= found["boxes"][..., 2:]).all()


@pytest.mark.parametrize("name", ["reader", "attributes"])
async def test_classes_have_probabilities(served: Server, name: str) -> None:
    async with InferenceClient(served.url) as client:
        pictures = RANDOM.integers(0, 256, (3, *spec(name).inputs[0].shape[1:]), dtype=np.uint8)
        for output in (await client.infer(spec(name), pictures, time.time() + 30)).values():
            assert (output >= 0).all()
            np.testing.assert_allclose(output.sum(axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_size_that_is_served_with_a_gpu_is_warmed_up_and_within_the_tensorrt_profile(name: str) -> None:
    text = (MODELS / name / "config.pbtxt").read_text()
    config: Any = text_format.Parse(text, model_config_pb2.ModelConfig())
    accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator[0]
    low, best, high = (
        [int(size) for size in accelerator.parameters[f"trt_profile_{limit}_shapes"].split(":")[1].split("x")]
        for limit in ("min", "opt", "max")
    )
    warm = {(warmup.batch_size, *warmup.inputs[spec(name).inputs[0].name].dims[:2]) for warmup in config.model_warmup}

    assert (low[0], high[0]) == (1, config.max_batch_size)
    assert all(a <= b <= c for a, b, c in zip(low, best, high, strict=True))
    for height, width in SIZES[name]:
        assert low[1] <= height <= high[1]
        assert low[2] <= width <= high[2]
        assert {(1, height, width), (config.max_batch_size, height, width)} <= warm


@pytest.mark.parametrize("name", NAMES)
def test_tensorrt_can_take_the_input(name: str) -> None:
    """UINT8 must go straight into a cast: https://github.com/NVIDIA/TensorRT/issues/3985"""
    if not model_file(name).exists():
        pytest.skip(f"not trained yet: {name}")
    graph = onnx.load(model_file(name)).graph

    readers = [node.op_type for node in graph.node if graph.input[0].name in node.input]

    assert set(readers) == {"Cast"}, f"{name}: export the checkpoint again, the training code casts first"


@pytest.mark.parametrize(
    ("name", "file", "program"),
    [*((name, "model.int8.onnx", "quantize") for name in QUANTISED), ("detector", "model.int7.onnx", "narrow")],
)
def test_the_file_for_processors_was_made_from_the_model(name: str, file: str, program: str) -> None:
    source = model_file(name)
    properties = {entry.key: entry.value for entry in onnx.load(source.with_name(file)).metadata_props}

    assert properties["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest(), (
        f"run `python -m training.calibration.{program} {name}`"
    )


def test_weights_for_processors_without_vnni_cannot_saturate() -> None:
    model = onnx.load(MODELS / "detector" / "1" / "model.int7.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    made = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    names = [made[node.input[1]] for node in model.graph.node if node.op_type == "Conv" and node.input[1] in made]
    assert len(names) > 50
    for name in names:
        weights = onnx.numpy_helper.to_array(tensors[name])
        assert weights.dtype == np.int8
        assert -64 <= weights.min() <= weights.max() <= 63
