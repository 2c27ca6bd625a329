"""Initial weights of new classes: a linear probe on the served network's features.

The gradients of a new output that starts from noise or a mean distort all layers below it. Fitting it first, with
everything else frozen, leaves less to distort (linear probing, then fine-tuning: Kumar et al., Fine-Tuning can Distort
Pretrained Features, 2022).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from training.common.folded import Weights
from training.reader.train import region_loss

STEPS: Final = 50
DECAY: Final = 1e-3
"""Weight of the squared distance from the initial values of the new rows."""


def inputs_of(layer: str, network: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """The inputs of a layer for all pictures of the batches, (N, F)."""
    seen: list[Tensor] = []
    hook = network.get_submodule(layer).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        hook.remove()
    return torch.cat(seen)


def probed(layer: str, weights: Weights, new: int, features: Tensor, allowed: Tensor) -> Weights:
    """`weights` with only the last `new` rows of a linear layer fitted.

    `features` (N, F) are the layer's inputs for pictures of new and other classes; `allowed` (N, C), BOOL, are the
    classes that their labels admit.
    """
    weight, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
    first, row, offset = weight[-new:], weight[-new:].clone().requires_grad_(), bias[-new:].clone().requires_grad_()
    known = features @ weight[:-new].T + bias[:-new]
    optimizer = torch.optim.LBFGS([row, offset], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = torch.cat((known, features @ row.T + offset), dim=1)
        value = region_loss(logits, allowed) + DECAY * (row - first).square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return {
        **weights,
        f"{layer}.weight": torch.cat((weight[:-new], row.detach())),
        f"{layer}.bias": torch.cat((bias[:-new], offset.detach())),
    }
