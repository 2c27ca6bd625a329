"""First weights of new classes: a linear probe on what the served network sees.

A new output that starts from noise or from a mean pulls at everything below it. Fitted first, with all else as it is
served, it leaves less to distort (linear probing, then fine-tuning: Kumar et al., Fine-Tuning can Distort Pretrained
Features, 2022).
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
"""Weight of the squared distance from where the new rows began."""


def inputs_of(layer: str, network: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """What goes into a layer of the network for all pictures of the batches, (N, F)."""
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
    """`weights` with the last `new` rows of a linear layer fitted, and nothing else changed.

    `features` (N, F) go into the layer, of pictures of new classes and of others; `allowed` (N, C), BOOL, are the
    classes that their labels allow.
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
