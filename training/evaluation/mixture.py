"""Weighted means of checkpoints, as written on the command lines that compare models."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from training.common.loop import state_of


@dataclass(frozen=True, slots=True)
class Mixture:
    """The name of a model, and the checkpoints that its weights are the mean of, each with its weight."""

    name: str
    parts: tuple[tuple[float, Path], ...]

    @classmethod
    def parse(cls, text: str) -> Mixture:
        name, _, mixture = text.partition("=")
        pairs = [part.rpartition("*") for part in mixture.split("+")]
        if not name or not mixture:
            raise argparse.ArgumentTypeError("is NAME=PARTS*FILE+PARTS*FILE…")
        return cls(name, tuple((float(parts or 1), Path(file)) for parts, _, file in pairs))

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The mean of the checkpoints' weights; integers are taken from the first."""
        states = [(parts, state_of(file)) for parts, file in self.parts]
        total = sum(parts for parts, _ in states)
        return {
            name: torch.stack([parts * state[name] for parts, state in states]).sum(dim=0) / total
            if value.is_floating_point()
            else value
            for name, value in states[0][1].items()
        }
