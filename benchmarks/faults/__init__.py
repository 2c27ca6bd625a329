"""Faults under load: the outcomes of requests and events while processes die, freeze, fill up or are cut off."""

from benchmarks.faults.program import FAULTS, main

__all__ = ["FAULTS", "main"]
