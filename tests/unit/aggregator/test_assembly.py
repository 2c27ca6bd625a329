from __future__ import annotations

from collections.abc import Iterable

import pytest

from aggregator.assembly import assemble
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.reporting import THRESHOLD_DETECTION, THRESHOLD_TEXT
from platelane.rest_json import recognition_body
from tests.models import DSCORE

CONTEXT = stages_pb2.JobContext(id="j1", camera_id="gate", filename="a.jpg", timestamp_us=5, accepted_us=1)


def detection(
    due: Iterable[stages_pb2.Stage] = (),
    owners: Iterable[int] = (),
    vehicles: int = 0,
    *,
    wanted: bool = False,
    mode: domain_pb2.Mode = domain_pb2.MODE_REGULAR,
    limit: int | None = 0,
) -> bytes:
    """A detection part with one plate for each owner (-1: no vehicle)."""
    owners = list(owners)
    return stages_pb2.DetectionPart(
        context=CONTEXT,
        options=domain_pb2.Options(vehicles=wanted, mode=mode, plates_per_vehicle=limit),
        image_width=640,
        image_height=480,
        plates=[domain_pb2.Plate(detection_score=0.9, box=domain_pb2.Box(xmax=i + 1)) for i, _ in enumerate(owners)],
        vehicles=[domain_pb2.Vehicle(detection_score=0.8) for _ in range(vehicles)],
        plate_vehicle=owners,
        due=due,
        reported_vehicles=vehicles if wanted else 0,
    ).SerializeToString()


def read(*plates: tuple[str, float]) -> bytes:
    return stages_pb2.PlatesPart(
        context=CONTEXT, plates=[domain_pb2.Plate(text=text, text_score=score) for text, score in plates]
    ).SerializeToString()


def described(*colors: str) -> bytes:
    return stages_pb2.VehiclesPart(
        context=CONTEXT,
        vehicles=[domain_pb2.Vehicle(colors=[domain_pb2.Scored(value=color, score=0.7)]) for color in colors],
    ).SerializeToString()


BOTH = (stages_pb2.STAGE_PLATES, stages_pb2.STAGE_VEHICLES)


def test_nothing_is_said_while_a_part_is_due() -> None:
    whole = detection(BOTH, [0], 1)
    assert assemble({}, DSCORE) is None
    assert assemble({"plates": read(("ab12", 0.9))}, DSCORE) is None
    assert assemble({"detection": whole, "plates": read(("ab12", 0.9))}, DSCORE) is None
    assert assemble({"detection": whole, "vehicles": described("red")}, DSCORE) is None


def test_an_empty_photograph_needs_no_other_part() -> None:
    recognition = assemble({"detection": detection()}, DSCORE)
    assert recognition is not None
    assert (recognition.id, recognition.camera_id, recognition.image_width) == ("j1", "gate", 640)
    assert not recognition.sightings


def test_readings_and_attributes_join_what_was_found() -> None:
    parts = {"detection": detection(BOTH, [0], 1), "plates": read(("ab12", 0.9)), "vehicles": described("red")}
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    (sighting,) = recognition.sightings
    assert sighting.plate.text == "ab12"
    assert sighting.plate.box.xmax == 1, "what the detector said is still there"
    assert sighting.vehicle.colors[0].value == "red"
    assert recognition.processing_ms > 0


def test_where_nothing_can_be_read_the_score_is_none() -> None:
    """Redaction reports such finds; how sure it is that there is no text says nothing for a plate."""
    readings = stages_pb2.PlatesPart.FromString(read(("", 0.97), ("ab12", 0.4)))
    readings.plates[0].candidates.add(value="", score=0.97)
    parts = {
        "detection": detection([stages_pb2.STAGE_PLATES], [-1, -1], mode=domain_pb2.MODE_REDACTION),
        "plates": readings.SerializeToString(),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert recognition_body(recognition)["results"][1]["candidates"] == [{"score": 0.0, "plate": ""}]
    assert [(seen.plate.text, round(seen.plate.text_score, 3)) for seen in recognition.sightings] == [
        ("ab12", 0.4),
        ("", 0),
    ]


def test_a_vehicle_that_only_carries_a_find_is_not_reported_without_it() -> None:
    message = stages_pb2.DetectionPart.FromString(detection([stages_pb2.STAGE_PLATES], [1], 2, wanted=True))
    message.reported_vehicles = 1  # the other one is in a detection zone
    for score, vehicles in ((0.9, [True, True]), (0.2, [False])):
        parts = {"detection": message.SerializeToString(), "plates": read(("ab12", score))}
        recognition = assemble(parts, DSCORE)
        assert recognition is not None
        assert [seen.HasField("plate") for seen in recognition.sightings] == [score > 0.6, False][-len(vehicles) :]


def test_the_best_plate_comes_first_and_doubtful_ones_are_dropped() -> None:
    parts = {
        "detection": detection([stages_pb2.STAGE_PLATES], [-1, -1, -1, -1]),
        "plates": read(("worse", 0.7), ("best", 0.99), ("doubtful", 0.59), ("", 0.9)),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert [sighting.plate.text for sighting in recognition.sightings] == ["best", "worse"]
    assert not recognition.sightings[0].HasField("vehicle")


def test_what_does_not_read_like_a_plate_is_doubted_and_dropped_under_the_threshold() -> None:
    found = stages_pb2.DetectionPart.FromString(detection([stages_pb2.STAGE_PLATES], [-1, -1, -1]))
    found.options.threshold_detection, found.options.threshold_text = 0.2, 0.0
    for plate, score in zip(found.plates, (0.1, 0.1, 0.9), strict=True):
        plate.detection_score = score
    parts = {
        "detection": found.SerializeToString(),
        "plates": read(("sure", 1.0), ("i8", 0.01), ("seen", 0.01)),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    dscores = {sighting.plate.text: sighting.plate.detection_score for sighting in recognition.sightings}
    assert dscores == {
        "sure": pytest.approx(DSCORE.of(0.1, 1.0), abs=1e-6),
        "seen": pytest.approx(DSCORE.of(0.9, 0.01), abs=1e-6),
    }


@pytest.mark.parametrize(
    ("mode", "limit", "kept"),
    [
        (domain_pb2.MODE_REGULAR, 1, ["ab12", "cd34"]),
        (domain_pb2.MODE_REGULAR, 2, ["ab12", "cd34", "taxi1"]),
        (domain_pb2.MODE_REGULAR, 0, ["ab12", "cd34", "taxi1"]),
        (domain_pb2.MODE_REDACTION, 1, ["ab12", "cd34", "taxi1"]),
    ],
)
def test_a_vehicle_keeps_the_plates_that_read_best(mode: domain_pb2.Mode, limit: int, kept: list[str]) -> None:
    parts = {
        "detection": detection([stages_pb2.STAGE_PLATES], [0, 0, -1], 1, mode=mode, limit=limit),
        "plates": read(("taxi1", 0.7), ("ab12", 0.95), ("cd34", 0.9)),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert [sighting.plate.text for sighting in recognition.sightings] == kept


def test_where_nothing_is_asked_a_vehicle_keeps_further_plates_that_are_surely_plates() -> None:
    """Two motorcycles in one box; a telephone number, a sign, a plate of elsewhere and one in doubt."""
    texts = ("59x312345", "59x398765", "59x312345", "0903123456", "taxi59", "59x354321")
    readings = stages_pb2.PlatesPart.FromString(read(*zip(texts, (0.99, 0.95, 0.94, 0.93, 0.93, 0.79), strict=True)))
    for plate in readings.plates:
        plate.regions.add(value="vn", score=0.8)
        plate.regions.add(value="it", score=0.05)
    kept = {None: ["59x312345", "59x398765"], 1: ["59x312345"], 3: ["59x312345", "59x398765", "59x312345"]}
    for limit, expected in kept.items():
        parts = {
            "detection": detection([stages_pb2.STAGE_PLATES], [0] * 6, 1, limit=limit),
            "plates": readings.SerializeToString(),
        }
        recognition = assemble(parts, DSCORE)
        assert recognition is not None
        assert [sighting.plate.text for sighting in recognition.sightings] == expected


@pytest.mark.parametrize(("text", "kept"), [("lane2", False), ("citroen", False), ("ab12cde", True), ("ab12cd", True)])
@pytest.mark.parametrize("owner", [0, -1])
def test_writing_that_is_read_surely_is_no_plate(text: str, kept: bool, owner: int) -> None:
    readings = stages_pb2.PlatesPart.FromString(read((text, 0.99)))
    readings.plates[0].regions.add(value="gb", score=0.9)
    readings.plates[0].candidates.add(value=text, score=0.99)
    found = stages_pb2.DetectionPart.FromString(detection([stages_pb2.STAGE_PLATES], [owner], 1))
    found.options.threshold_detection, found.options.threshold_text = 0.2, 0.6
    parts = {"detection": found.SerializeToString(), "plates": readings.SerializeToString()}
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    plates = [sighting.plate for sighting in recognition.sightings]
    assert [plate.text for plate in plates] == [text] * kept
    assert all(plate.candidates[0].score == pytest.approx(plate.text_score) for plate in plates)


def test_redaction_keeps_plates_that_cannot_be_read() -> None:
    found = stages_pb2.DetectionPart.FromString(
        detection([stages_pb2.STAGE_PLATES], [-1], mode=domain_pb2.MODE_REDACTION)
    )
    found.plates[0].detection_score = 0.01
    parts = {"detection": found.SerializeToString(), "plates": read(("", 0.1))}
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert len(recognition.sightings) == 1


@pytest.mark.parametrize("field", ["threshold_detection", "threshold_text"])
def test_redaction_keeps_to_a_threshold_that_is_sent(field: str) -> None:
    found = stages_pb2.DetectionPart.FromString(
        detection([stages_pb2.STAGE_PLATES], [-1, -1], mode=domain_pb2.MODE_REDACTION)
    )
    setattr(found.options, field, 0.5)
    found.options.explicit_thresholds = True
    found.plates[1].detection_score = 0.01
    parts = {"detection": found.SerializeToString(), "plates": read(("ab12", 0.9), ("", 0.0))}
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert [sighting.plate.text for sighting in recognition.sightings] == ["ab12"]


def test_redaction_takes_no_notice_of_thresholds_that_an_older_gateway_filled_in() -> None:
    """Such a gateway runs beside newer stages during an upgrade; it sends the regular defaults where nobody asked."""
    found = stages_pb2.DetectionPart.FromString(
        detection([stages_pb2.STAGE_PLATES], [-1, -1], mode=domain_pb2.MODE_REDACTION)
    )
    found.options.threshold_detection, found.options.threshold_text = THRESHOLD_DETECTION, THRESHOLD_TEXT
    parts = {"detection": found.SerializeToString(), "plates": read(("ab12", 0.9), ("", 0.0))}
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert [sighting.plate.text for sighting in recognition.sightings] == ["ab12", ""]


@pytest.mark.parametrize("wanted", [False, True])
def test_direction_is_told_where_it_is_wanted(wanted: bool) -> None:
    detected = stages_pb2.DetectionPart.FromString(detection(BOTH, [0], 1))
    detected.options.direction = wanted
    detected.plates[0].box.CopyFrom(domain_pb2.Box(xmin=280, ymin=200, xmax=320, ymax=210))
    detected.vehicles[0].box.CopyFrom(domain_pb2.Box(xmin=200, ymin=100, xmax=400, ymax=250))
    vehicle = domain_pb2.Vehicle(orientations=[domain_pb2.Scored(value="Front", score=0.9)])
    parts = {
        "detection": detected.SerializeToString(),
        "plates": read(("ab12", 0.9)),
        "vehicles": stages_pb2.VehiclesPart(vehicles=[vehicle]).SerializeToString(),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    (sighting,) = recognition.sightings
    assert sighting.vehicle.HasField("direction") is wanted


def test_vehicle_mode_reports_vehicles_whose_plate_is_missing_or_doubtful() -> None:
    parts = {
        "detection": detection(BOTH, [1], 2, wanted=True),
        "plates": read(("doubtful", 0.2)),
        "vehicles": described("red", "blue"),
    }
    recognition = assemble(parts, DSCORE)
    assert recognition is not None
    assert [sighting.vehicle.colors[0].value for sighting in recognition.sightings] == ["red", "blue"]
    assert not any(sighting.HasField("plate") for sighting in recognition.sightings)
