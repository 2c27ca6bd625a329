from __future__ import annotations

import math

import pytest

from platelane.pb.v1 import domain_pb2
from platelane.plate_limit import plate_limit


@pytest.mark.parametrize(
    ("mode", "asked", "limit"),
    [
        (domain_pb2.MODE_REGULAR, 1, 1),
        (domain_pb2.MODE_FAST, 3, 3),
        (domain_pb2.MODE_REGULAR, 0, math.inf),
        (domain_pb2.MODE_REDACTION, 1, math.inf),
    ],
)
def test_nothing_asked_and_redaction_know_no_limit(mode: domain_pb2.Mode, asked: int, limit: float) -> None:
    assert plate_limit(domain_pb2.Options(mode=mode, plates_per_vehicle=asked)) == limit
