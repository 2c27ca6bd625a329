"""The three parts of a job put together. Pure functions over messages."""

from __future__ import annotations

import time
from collections import Counter

from platelane.bus import subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.plate_limit import plate_limit
from platelane.plate_score import with_reading
from webhook_svc.direction import direction

_PART_OF_STAGE = {stages_pb2.STAGE_PLATES: subjects.PLATES, stages_pb2.STAGE_VEHICLES: subjects.VEHICLES}


def assemble(parts: dict[str, bytes]) -> domain_pb2.Recognition | None:
    """All that was read, or None while a part is still due.

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
    for found, read in zip(detection.plates, plates, strict=bool(plates)):
        found.MergeFrom(read)
    for seen, described in zip(detection.vehicles, vehicles, strict=bool(vehicles)):
        seen.MergeFrom(described)
    context = detection.context
    return domain_pb2.Recognition(
        id=context.id,
        camera_id=context.camera_id,
        filename=context.filename,
        timestamp_us=context.timestamp_us,
        image_width=detection.image_width,
        image_height=detection.image_height,
        sightings=_sightings(detection),
        options=detection.options,
        processing_ms=(time.time_ns() // 1000 - context.accepted_us) / 1000,
    )


def _sightings(detection: stages_pb2.DetectionPart) -> list[domain_pb2.Sighting]:
    """Plates that can be trusted, the best first, each with its vehicle; then vehicles without one, if wanted.

    A plate's detection score, so far of its looks alone, takes its reading into account from here on.
    """
    options = detection.options
    redaction = options.mode == domain_pb2.MODE_REDACTION
    trusted: list[tuple[domain_pb2.Plate, int]] = []
    for plate, owner in zip(detection.plates, detection.plate_vehicle, strict=True):
        if not plate.text:  # what is sure then is that there is nothing to read
            plate.text_score = 0.0
            plate.ClearField("candidates")
        plate.detection_score = with_reading(plate.detection_score, plate.text_score)
        # redaction blurs a plate whether it can be read or not
        if not redaction and not _trusted(plate, options):
            continue
        trusted.append((plate, owner))
    trusted.sort(key=lambda found: -found[0].text_score * found[0].detection_score)
    sightings: list[domain_pb2.Sighting] = []
    limit = plate_limit(options)
    carried: Counter[int] = Counter()
    for plate, owner in trusted:
        carried[owner] += 1
        if owner >= 0 and carried[owner] > limit:
            continue
        vehicle = detection.vehicles[owner] if owner >= 0 else None
        if vehicle is not None and options.direction:
            heading = direction(plate, vehicle, detection.image_width, detection.image_height)
            if heading is not None:
                vehicle.direction.CopyFrom(heading)
        sightings.append(domain_pb2.Sighting(plate=plate, vehicle=vehicle))
    reported = enumerate(detection.vehicles[: detection.reported_vehicles])
    sightings += [domain_pb2.Sighting(vehicle=vehicle) for i, vehicle in reported if i not in carried]
    return sightings


def _trusted(plate: domain_pb2.Plate, options: domain_pb2.Options) -> bool:
    """Whether both scores reach their thresholds, and there is something to read."""
    found = plate.detection_score >= options.threshold_detection
    return found and bool(plate.text) and plate.text_score >= options.threshold_text
