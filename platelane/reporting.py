"""Which plates of a picture are reported: one policy for both the detector and the aggregator.

The detector knows how a plate looks, the aggregator also how it reads. The detector only drops plates that could not be
reported whatever their text: `ReportingPolicy.may_be_reported` is true of everything that `reports` accepts.
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
"""Default of `threshold_d`."""
THRESHOLD_TEXT: Final = 0.6
"""Default of `threshold_o`."""
CONTESTED: Final = 0.4
"""Detection probability from which plates beyond a vehicle's limit are read too: a sticker may look more like a plate
than the plate does, but does not read like one."""
FURTHER_TEXT: Final = 0.8
"""Text score from which a further plate of a vehicle is reported if the caller sets no limit."""
MAX_PLATES: Final = 48
MAX_REDACTED: Final = 200
"""`MAX_PLATES` for redaction: the number of crops that fit into one NATS message."""


@dataclass(frozen=True, slots=True)
class ReportingPolicy:
    """The rules for one request; `dscore` computes the score that `threshold_detection` applies to.

    Redaction covers plates whether they can be read or not, without a limit per vehicle, but respects thresholds that
    its caller sends. `candidate_threshold` is the `dscore` that a plate must be able to reach in order to be read;
    `plates_per_vehicle` is infinite if there is no limit.

    If the caller sets no limit, a vehicle has one plate, and further ones only if they certainly are plates: a box may
    span several motorcycles. Telephone numbers, dates and signs do not fit a format of a likely region.
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
        """The detection probability below which no text can lift a plate over the threshold."""
        return self.dscore.least_detection(self.candidate_threshold)

    def may_be_reported(self, detection: float, place: int | None) -> bool:
        """Whether a plate is worth reading.

        Args:
            detection: its probability by the detector alone.
            place: its rank among the plates of its vehicle, 1 for the likeliest; None if it is on no vehicle.
        """
        if detection < self.least_detection:
            return False
        if place is None:
            return not self.on_vehicles_only
        return place <= self.plates_per_vehicle or detection >= CONTESTED

    def reports(self, plate: domain_pb2.Plate) -> bool:
        """Whether a plate that has been read is certain enough, regardless of its vehicle's other plates."""
        if not plate.text and not self.unreadable:
            return False
        return plate.detection_score >= self.threshold_detection and plate.text_score >= self.threshold_text

    def reports_further(self, plate: domain_pb2.Plate, others: Iterable[domain_pb2.Plate]) -> bool:
        """Whether a plate that has been read is reported beyond its vehicle's limit.

        Args:
            others: the vehicle's reported plates; a plate with the same text is one of them, detected twice.
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
