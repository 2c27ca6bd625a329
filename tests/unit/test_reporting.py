from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.pb.v1 import domain_pb2
from platelane.reporting import CONTESTED, MAX_PLATES, MAX_REDACTED, ReportingPolicy
from tests.models import DSCORE

REGULAR, FAST, REDACTION = domain_pb2.MODE_REGULAR, domain_pb2.MODE_FAST, domain_pb2.MODE_REDACTION

probabilities = st.floats(0, 1, width=32)
options = st.builds(
    domain_pb2.Options,
    mode=st.sampled_from([REGULAR, FAST, REDACTION]),
    strict_detection=st.booleans(),
    threshold_detection=st.none() | probabilities,
    threshold_text=st.none() | probabilities,
    plates_per_vehicle=st.integers(0, 3),
    explicit_thresholds=st.booleans(),
)


def plate(detection: float, text: str, score: float) -> domain_pb2.Plate:
    """One that has been read."""
    return domain_pb2.Plate(detection_score=DSCORE.of(detection, score), text=text, text_score=score)


@given(options, probabilities, probabilities, st.sampled_from(["", "ab12"]))
def test_what_the_detector_drops_could_not_have_been_reported(
    asked: domain_pb2.Options, detection: float, score: float, text: str
) -> None:
    policy = ReportingPolicy.of(asked, DSCORE)
    explicit = asked.mode != REDACTION or (asked.explicit_thresholds and asked.HasField("threshold_detection"))
    if explicit and policy.reports(plate(detection, text, score if text else 0.0)):
        assert detection >= policy.least_detection - 1e-3


@given(options, probabilities, probabilities, probabilities)
def test_a_higher_threshold_never_reports_more(
    asked: domain_pb2.Options, one: float, other: float, score: float
) -> None:
    low, high = sorted((one, other))
    found = plate(0.7, "ab12", score)
    reported = []
    for threshold in (low, high):
        asked.threshold_text = threshold
        reported.append(ReportingPolicy.of(asked, DSCORE).reports(found))
    assert reported[0] >= reported[1]


@pytest.mark.parametrize(
    ("mode", "asked", "limit"),
    [(REGULAR, None, 1), (REGULAR, 1, 1), (FAST, 3, 3), (REGULAR, 0, math.inf), (REDACTION, 1, math.inf)],
)
def test_one_plate_a_vehicle_unless_more_are_asked_for_or_are_to_be_covered(
    mode: domain_pb2.Mode, asked: int | None, limit: float
) -> None:
    assert (
        ReportingPolicy.of(domain_pb2.Options(mode=mode, plates_per_vehicle=asked), DSCORE).plates_per_vehicle == limit
    )


def test_a_sure_plate_beyond_the_number_of_its_vehicle_is_read() -> None:
    policy = ReportingPolicy.of(domain_pb2.Options(plates_per_vehicle=1), DSCORE)
    assert policy.may_be_reported(0.3, 1)
    assert not policy.may_be_reported(CONTESTED - 0.01, 2)
    assert policy.may_be_reported(CONTESTED, 2)


def test_strict_detection_wants_a_vehicle() -> None:
    for strict in (False, True):
        policy = ReportingPolicy.of(domain_pb2.Options(strict_detection=strict), DSCORE)
        assert policy.may_be_reported(0.9, None) is not strict
        assert policy.may_be_reported(0.9, 1)


def test_redaction_covers_what_cannot_be_read() -> None:
    unread = plate(0.3, "", 0.0)
    assert ReportingPolicy.of(domain_pb2.Options(mode=REDACTION), DSCORE).reports(unread)
    assert not ReportingPolicy.of(domain_pb2.Options(), DSCORE).reports(unread)
    assert not ReportingPolicy.of(domain_pb2.Options(threshold_detection=0, threshold_text=0), DSCORE).reports(unread)


@pytest.mark.parametrize("field", ["threshold_detection", "threshold_text"])
@pytest.mark.parametrize("text", ["", "ab12"])
def test_redaction_keeps_to_a_threshold_that_is_sent(field: str, text: str) -> None:
    doubtful = domain_pb2.Plate(detection_score=0.5, text=text, text_score=0.5 if text else 0.0)
    assert ReportingPolicy.of(domain_pb2.Options(mode=REDACTION), DSCORE).reports(doubtful)
    for threshold, reported in ((0.6, False), (0.4, bool(text) or field == "threshold_detection"), (0.0, True)):
        asked = domain_pb2.Options(mode=REDACTION, explicit_thresholds=True)
        setattr(asked, field, threshold)
        assert ReportingPolicy.of(asked, DSCORE).reports(doubtful) is reported
        asked.explicit_thresholds = False  # an older gateway filled it in
        assert ReportingPolicy.of(asked, DSCORE).reports(doubtful)


def test_redaction_finds_more() -> None:
    assert ReportingPolicy.of(domain_pb2.Options(), DSCORE).max_plates == MAX_PLATES
    assert ReportingPolicy.of(domain_pb2.Options(mode=REDACTION), DSCORE).max_plates == MAX_REDACTED


@pytest.mark.parametrize(
    ("text", "score", "regions", "reported"),
    [
        ("ab12cde", 0.81, {"gb": 0.9}, True),
        ("ab12cde", 0.79, {"gb": 0.9}, False),
        ("ab12cde", 0.99, {"de": 0.95, "gb": 0.05}, False),
        ("12345", 0.99, {"ae": 0.9}, False),  # so is a part of a telephone number
        ("other12", 0.99, {"gb": 0.9}, False),
    ],
)
def test_a_further_plate_is_of_letters_and_digits_sure_and_fits(
    text: str, score: float, regions: dict[str, float], reported: bool
) -> None:
    found = domain_pb2.Plate(text=text, text_score=score)
    for code, likely in regions.items():
        found.regions.add(value=code, score=likely)
    first = domain_pb2.Plate(text="other12")
    assert ReportingPolicy.of(domain_pb2.Options(), DSCORE).reports_further(found, [first]) is reported
    assert not ReportingPolicy.of(domain_pb2.Options(plates_per_vehicle=1), DSCORE).reports_further(found, [first])
