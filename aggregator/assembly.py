"""Assembles the three parts of a job into a recognition. Pure functions over messages."""

from __future__ import annotations

import time
from collections import defaultdict

from aggregator.direction import direction
from platelane.bus import subjects
from platelane.dscore import Dscore
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.plausibility import doubt
from platelane.reporting import ReportingPolicy

_PART_OF_STAGE = {stages_pb2.STAGE_PLATES: subjects.PLATES, stages_pb2.STAGE_VEHICLES: subjects.VEHICLES}


def assemble(parts: dict[str, bytes], dscore: Dscore) -> domain_pb2.Recognition | None:
    """The recognition, or None while a part is missing.

    Args:
        parts: serialized parts by the last token of their subject.
    """
    if subjects.DETECTION not in parts:
        return None
    detection = stages_pb2.DetectionPart.FromString(parts[subjects.DETECTION])
    if any(_PART_OF_STAGE[stage] not in parts for stage in detection.due):
        return None
    plates = stages_pb2.PlatesPart.FromString(parts.get(subjects.PLATES, b"")).plates
    vehicles = stages_pb2.VehiclesPart.FromString(parts.get(subjects.VEHICLES, b"")).vehicles
    for plate, reading in zip(detection.plates, plates, strict=bool(plates)):
        plate.MergeFrom(reading)
    for vehicle, attributes in zip(detection.vehicles, vehicles, strict=bool(vehicles)):
        vehicle.MergeFrom(attributes)
    context = detection.context
    return domain_pb2.Recognition(
        id=context.id,
        camera_id=context.camera_id,
        filename=context.filename,
        timestamp_us=context.timestamp_us,
        image_width=detection.image_width,
        image_height=detection.image_height,
        sightings=_sightings(detection, dscore),
        options=detection.options,
        processing_ms=(time.time_ns() // 1000 - context.accepted_us) / 1000,
    )


def _sightings(detection: stages_pb2.DetectionPart, dscore: Dscore) -> list[domain_pb2.Sighting]:
    """The reported plates, most certain first, each with its vehicle; then vehicles without a plate, if requested."""
    policy = ReportingPolicy.of(detection.options, dscore)
    read = [
        (_scored(plate, owner >= 0, dscore), owner)
        for plate, owner in zip(detection.plates, detection.plate_vehicle, strict=True)
    ]
    reported = [(plate, owner) for plate, owner in read if policy.reports(plate)]
    reported.sort(key=lambda found: -found[0].text_score * found[0].detection_score)
    sightings: list[domain_pb2.Sighting] = []
    carried: dict[int, list[domain_pb2.Plate]] = defaultdict(list)
    for plate, owner in reported:
        if owner < 0:
            sightings.append(domain_pb2.Sighting(plate=plate))
        elif len(carried[owner]) < policy.plates_per_vehicle or policy.reports_further(plate, carried[owner]):
            carried[owner].append(plate)
            vehicle = _headed(detection, plate, detection.vehicles[owner])
            sightings.append(domain_pb2.Sighting(plate=plate, vehicle=vehicle))
    others = enumerate(detection.vehicles[: detection.reported_vehicles])
    return sightings + [domain_pb2.Sighting(vehicle=vehicle) for i, vehicle in others if i not in carried]


def _scored(plate: domain_pb2.Plate, on_vehicle: bool, dscore: Dscore) -> domain_pb2.Plate:
    """The plate with its `dscore` instead of the detector's own probability; without a text it has no candidates.

    If there is evidence that the text is not a plate's, its score becomes the probability of a plate with this text.
    """
    if not plate.text:  # the score is then the confidence that there is nothing to read
        plate.text_score = 0.0
        plate.ClearField("candidates")
    against = doubt(plate, on_vehicle)
    plate.detection_score = dscore.of(plate.detection_score, plate.text_score, against)
    if against:
        plate.text_score *= plate.detection_score
        for candidate in plate.candidates:
            candidate.score *= plate.detection_score
    return plate


def _headed(
    detection: stages_pb2.DetectionPart, plate: domain_pb2.Plate, vehicle: domain_pb2.Vehicle
) -> domain_pb2.Vehicle:
    """The vehicle with its direction, if that is requested and can be estimated."""
    if detection.options.direction:
        heading = direction(plate, vehicle, detection.image_width, detection.image_height)
        if heading is not None:
            vehicle.direction.CopyFrom(heading)
    return vehicle
