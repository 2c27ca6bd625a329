"""Which plates of a picture are reported: one policy for the detector, which hands plates on, and the aggregator.

The detector knows how a plate looks, the aggregator also how it reads. What the detector drops could not have been
reported, whatever its text: `ReportingPolicy.may_be_reported` is true of everything that `reports` accepts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from platelane.dscore import Dscore
from platelane.pb.v1 import domain_pb2
from platelane.plausibility import fits_likely_region

THRESHOLD_DETECTION: Final = 0.2
"""`threshold_d` where a caller sends none."""
THRESHOLD_TEXT: Final = 0.6
"""`threshold_o` where a caller sends none."""
CONTESTED: Final = 0.4
"""Detection probability from which on a plate beyond a vehicle's number of plates is read, too: a sticker may look more
like a plate than the plate does, but not read like one."""
FURTHER_TEXT: Final = 0.8
"""Score of the text from which on a plate beyond the first of its vehicle is reported unasked."""
MAX_PLATES: Final = 48
MAX_REDACTED: Final = 200
"""The same for redaction: so many crops fit into a message of NATS."""


@dataclass(frozen=True, slots=True)
class ReportingPolicy:
    """The rules for one request; `dscore` makes the score that `threshold_detection` is about.

    Redaction covers plates whether they can be read or not, and knows no limit per vehicle; a threshold that its
    caller sends holds all the same. `candidate_threshold` is the `dscore` that a plate has to be able to reach to be
    read at all; `plates_per_vehicle` is infinite where there is no limit.

    Where a caller says nothing a vehicle has one plate, and those further ones that are surely plates: a box may span
    several motorcycles. Telephone numbers, dates and signs fit no format of a likely region.
    """

    dscore: Dscore
    candidate_threshold: float
    threshold_detection: float
    threshold_text: float
    plates_per_vehicle: float
    further_plates: bool
    max_plates: int
    on_vehicles_only: bool
    unreadable: bool
    """Whether plates without a text are reported."""

    @classmethod
    def of(cls, options: domain_pb2.Options, dscore: Dscore) -> ReportingPolicy:
        redaction = options.mode == domain_pb2.MODE_REDACTION

        sent = options.explicit_thresholds or not redaction

        def threshold(name: str, default: float) -> float:
            return float(getattr(options, name)) if sent and options.HasField(name) else default

        return cls(
            dscore=dscore,
            candidate_threshold=threshold("threshold_detection", THRESHOLD_DETECTION),
            threshold_detection=threshold("threshold_detection", 0.0 if redaction else THRESHOLD_DETECTION),
            threshold_text=threshold("threshold_text", 0.0 if redaction else THRESHOLD_TEXT),
            plates_per_vehicle=math.inf if redaction else _limit(options),
            further_plates=not options.HasField("plates_per_vehicle"),
            max_plates=MAX_REDACTED if redaction else MAX_PLATES,
            on_vehicles_only=options.strict_detection,
            unreadable=redaction,
        )

    @property
    def least_detection(self) -> float:
        """The detection probability under which no text can lift a plate over the threshold."""
        return self.dscore.least_detection(self.candidate_threshold)

    def may_be_reported(self, detection: float, place: int | None) -> bool:
        """Whether a plate is worth reading.

        Args:
            detection: its probability by the detector alone.
            place: which of its vehicle's plates it is, the likeliest being 1; None where it is on no vehicle.
        """
        if detection < self.least_detection:
            return False
        if place is None:
            return not self.on_vehicles_only
        return place <= self.plates_per_vehicle or detection >= CONTESTED

    def reports(self, plate: domain_pb2.Plate) -> bool:
        """Whether a plate that has been read is sure enough, its vehicle's other plates aside."""
        if not plate.text and not self.unreadable:
            return False
        return plate.detection_score >= self.threshold_detection and plate.text_score >= self.threshold_text

    def reports_further(self, plate: domain_pb2.Plate, others: Iterable[domain_pb2.Plate]) -> bool:
        """Whether a plate that has been read is reported beyond its vehicle's number of plates.

        Args:
            others: those of the vehicle that are reported; a plate that says the same is one of them, seen twice.
        """
        return (
            self.further_plates
            and plate.text_score >= FURTHER_TEXT
            and all(plate.text != other.text for other in others)
            and not plate.text.isalpha()
            and not plate.text.isdigit()
            and fits_likely_region(plate)
        )


def _limit(options: domain_pb2.Options) -> float:
    if not options.HasField("plates_per_vehicle"):
        return 1
    return options.plates_per_vehicle or math.inf
