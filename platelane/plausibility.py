"""Evidence that a text is not a plate's: a camera's name, a sign, a telephone number, a format that no region has."""

from __future__ import annotations

import re
from typing import Final

from platelane import regions
from platelane.pb.v1 import domain_pb2

LIKELY_REGION: Final = 0.1
"""Score from which a plate may be from a region."""

WRITING: Final = 8.0
UNFITTING: Final = 1.0
OFF_VEHICLES: Final = 1.0
"""Doubts, as differences of the log odds of a plate: for texts that are other writing, for texts that fit no format,
and in addition for either of these off vehicles."""

_NAMES: Final = frozenset(
    """
    acura alfaromeo audi bajaj bentley bmw buick byd cadillac chery chevrolet chrysler citroen cupra dacia daewoo
    daihatsu dodge ducati ferrari fiat ford freightliner geely genesis gmc harley haval hino holden honda hummer hyundai
    infiniti isuzu iveco jaguar jeep kawasaki kenworth kia lada lamborghini lancia landrover leyland lexus lincoln mack
    mahindra maserati maruti mazda mercedes mercedesbenz mini mitsubishi nissan opel perodua peterbilt peugeot piaggio
    pontiac porsche proton renault rollsroyce rover saab scania seat skoda smart ssangyong subaru suzuki tata tesla
    toyota triumph vauxhall vespa volkswagen volvo yamaha

    airport ambulance bakery bus cargo caution danger delivery diesel express fire firedept forsale hotel hybrid learner
    limited logistics motors onduty parking police polizei policia polis press private quattro rent rentacar rescue
    school schoolbus security service sheriff sport stop taxi tourist tours trailer transport travel travels turbo vip
    """.split()  # noqa: SIM905
)
_AS_LETTERS: Final = str.maketrans("01", "oi")
"""Digits as the letters that they may be misreadings of."""
_CAMERA: Final = re.compile(
    r"(?:ip)?cam(?:era)?\d{0,3}|(?:lane|ch|channel|gate|exit|entry|entrance|door|dvr|nvr|ipc|zone|street|level)\d{1,3}"
    r"|lane|camera|channel|gate|exit|entry|entrance"
)
_NUMBER: Final = re.compile(r"[0-9oil]{9,}")
"""A telephone number, or a date with a time; O, I and L may be misread digits."""
_DATE: Final = re.compile(
    r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d|[0-3]?\d(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:20)?\d\d"
)
_SENTENCE: Final = re.compile(r"[a-z]{9,}|www[a-z0-9]*|[a-z0-9]*(?:com|net|org)|[a-z]*copyright[a-z0-9]*")


def doubt(plate: domain_pb2.Plate, on_vehicle: bool) -> float:
    """The evidence of a plate's text and place against it, to be subtracted from its log odds; 0 if there is none."""
    if not plate.text:
        return 0.0
    fits = fits_likely_region(plate)
    if is_writing(plate.text) and not (fits and on_vehicle):
        return WRITING + (0.0 if on_vehicle else OFF_VEHICLES)
    if fits or not any(_has_formats(code) for code in _likely(plate)):
        return 0.0
    return UNFITTING + (0.0 if on_vehicle else OFF_VEHICLES)


def is_writing(text: str) -> bool:
    """Whether a text (lower case, without separators) is typical writing of camera overlays, vehicles and signs."""
    return text.translate(_AS_LETTERS) in _NAMES or any(
        pattern.fullmatch(text) is not None for pattern in (_CAMERA, _NUMBER, _DATE, _SENTENCE)
    )


def fits_likely_region(plate: domain_pb2.Plate) -> bool:
    """Whether a plate's text fits a format of a region that it may be from."""
    return any(regions.fits(code, plate.text) for code in _likely(plate))


def _likely(plate: domain_pb2.Plate) -> list[str]:
    return [region.value for region in plate.regions if region.score >= LIKELY_REGION]


def _has_formats(code: str) -> bool:
    return bool(regions.templates([code]))
