"""The networks in PyTorch as `python -m benchmarks gpu` times them where ONNX Runtime finds no GPU.

In FP16, a recorded graph for each batch size. Weights change nothing about the time, so none are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from platelane.vision.crops import FRAME_CANVASES, PLATE_SHAPE, VEHICLE_SHAPE, ZOOM_CANVAS
from training.aligner.model import Aligner
from training.attributes.labels import GENERIC, Labels
from training.attributes.model import Network
from training.detector.model import Decoder, Detector
from training.reader.model import Reader
from training.reader.train import REGIONS

WARM_UP: Final = 10


class Attributes(nn.Module):
    """UINT8 (B, 128, 160, 3) to the logits of each head."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(Labels((GENERIC,)).sizes)

    def forward(self, vehicle: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(vehicle.permute(0, 3, 1, 2).float()).values())


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """By name, as in `benchmarks.gpu.STEPS`: a network and the shape of one of its pictures."""
    detector = Decoder(Detector())
    steps = {
        f"detector {height}x{width}": (detector, (height, width, 3))
        for height, width in (FRAME_CANVASES[0], ZOOM_CANVAS)
    }
    return steps | {
        "aligner": (Aligner(), PLATE_SHAPE),
        "reader": (Reader(len(REGIONS.read_text(encoding="utf-8").split())), PLATE_SHAPE),
        "attributes": (Attributes(), VEHICLE_SHAPE),
    }


def recorded(network: nn.Module, pictures: Tensor) -> Callable[[], None]:
    """The network on these pictures as a CUDA graph, to be replayed."""
    network = network.eval().to(pictures.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    # traced, so that constants are on the GPU before the recording
    with torch.autocast("cuda", dtype=torch.float16, cache_enabled=False):
        traced = torch.jit.trace(network, pictures, check_trace=False, strict=False)  # type: ignore[no-untyped-call]
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            traced(pictures)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        traced(pictures)
    return graph.replay
