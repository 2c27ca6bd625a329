"""How many plates a vehicle may have: the API's `plates_per_vehicle`."""

from __future__ import annotations

import math

from platelane.pb.v1 import domain_pb2


def plate_limit(options: domain_pb2.Options) -> float:
    """The most plates of one vehicle; infinite for 0, and in redaction, which must not lose a plate to it."""
    if options.mode == domain_pb2.MODE_REDACTION or options.plates_per_vehicle == 0:
        return math.inf
    return options.plates_per_vehicle
