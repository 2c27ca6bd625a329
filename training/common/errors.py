"""Errors that end a training program with one line that says what to do, instead of a traceback.

TrainingError
├── DataError         labels or pictures are missing or not in the expected layout
├── CheckpointError   the requested weights are missing or do not fit
├── Interrupted       the user pressed Ctrl-C
└── TrainingDiverged  the loss or a score is not a finite number
"""

from __future__ import annotations


class TrainingError(Exception):
    """The base class; its text is shown to the user."""


class DataError(TrainingError):
    """Labels or pictures are missing, or not in the layout that training/README.md describes."""


class CheckpointError(TrainingError):
    """The requested weights are missing, or do not fit the network."""


class Interrupted(TrainingError):
    """The user pressed Ctrl-C; what was learnt until then is saved."""


class TrainingDiverged(TrainingError):
    """The loss or a score is not a finite number: the learning rate is too high, or the data is broken."""
