"""What ends a training program with one line that says what to do, instead of a traceback.

TrainingError
├── DataError         the labels or pictures are missing, or laid out otherwise
├── CheckpointError   the weights that are asked for are not there
├── Interrupted       somebody pressed Ctrl-C
└── NotLearning       the loss or a score is not a finite number
"""

from __future__ import annotations


class TrainingError(Exception):
    """The base of all; its text is shown to whoever started the program."""


class DataError(TrainingError):
    """The labels or pictures are missing, or laid out otherwise than training/README.md says."""


class CheckpointError(TrainingError):
    """The weights that are asked for are not there."""


class Interrupted(TrainingError):
    """Somebody pressed Ctrl-C; what was learnt until then is saved."""


class NotLearning(TrainingError):
    """The loss or a score is not a finite number: the learning rate is too high, or the data is broken."""
