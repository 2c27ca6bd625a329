"""Faults under load: what becomes of requests and events while processes die, freeze, run full or are cut off."""

from benchmarks.faults.program import FAULTS, main

__all__ = ["FAULTS", "main"]
