"""Measure how long the networks that find and read plates take on a GPU.

Uses PyTorch in FP16, a CUDA graph for each batch size, and pictures that are already on the GPU:

    python -m training.evaluation.speed

Weights do not affect it, so none are loaded. `python -m benchmarks steps` measures the models as Triton
serves them.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import quantiles
from typing import Final

import torch
from torch import Tensor, nn

from benchmarks.results import table
from platelane.vision.crops import FAST_CANVASES, FRAME_CANVASES, PLATE_SHAPE, ZOOM_CANVAS
from training.aligner.model import Aligner
from training.common import command
from training.detector.model import Decoder, Detector
from training.reader.model import Reader
from training.reader.train import REGIONS

BATCHES: Final = (1, 8, 64)
WARM_UP: Final = 10


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Networks by name, with the shape of one picture."""
    detector = Decoder(Detector())
    canvases = (FRAME_CANVASES[0], FAST_CANVASES[0], ZOOM_CANVAS)
    steps = {f"detector {height}x{width}": (detector, (height, width, 3)) for height, width in canvases}
    return steps | {
        "aligner": (Aligner(), PLATE_SHAPE),
        "reader": (Reader(len(REGIONS.read_text(encoding="utf-8").split())), PLATE_SHAPE),
    }


def recorded(network: nn.Module, pictures: Tensor) -> Callable[[], None]:
    """Record the network on these pictures as a CUDA graph; returns a function that replays it."""
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


def milliseconds(run: Callable[[], None], times: int) -> list[float]:
    """The time of each of `times` runs, by the GPU's clock."""
    for _ in range(WARM_UP):
        run()
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(times)]  # type: ignore[no-untyped-call]
    for before, after in events:
        before.record()
        run()
        after.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) for before, after in events]


def main() -> None:
    parser = command.parser("training.evaluation.speed", __doc__)
    parser.add_argument("--times", type=int, default=200, help="runs per figure")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("PyTorch found no GPU")
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}: ms a batch, median (5th to 95th percentile)\n")
    rows = []
    with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=True):
        for name, (network, shape) in networks().items():
            cells = []
            for batch in BATCHES:
                pictures = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8, device="cuda")
                cuts = quantiles(milliseconds(recorded(network, pictures), arguments.times), n=20)
                cells.append(f"{cuts[9]:.2f} ({cuts[0]:.2f} to {cuts[-1]:.2f})")
            rows.append([name, *cells])
    print(table(["network", *(f"{batch} at a time" for batch in BATCHES)], rows))


if __name__ == "__main__":
    command.run(main)
