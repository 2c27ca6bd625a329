"""The shapes of the recognition endpoint for the OpenAPI document: what may be sent, and what comes back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from platelane.hooks.hook import HookSettings

Score = Annotated[float, Field(ge=0, le=1)]
Pixel = Annotated[int, Field(ge=0)]
Flag = bool | str | int

EXAMPLE_PICTURE: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGUlEQVR4nGOMiopiIAUwkaR6VMOohiGlAQBtAQEu3Ke9FAAAAABJRU5ErkJggg=="
)
"""A grey square of 16 pixels, as base64 of PNG."""


class Config(BaseModel):
    """How a picture is read. Keys and values that are not known are ignored."""

    mode: Annotated[Any, Field(description="`fast`: one detection step. `redaction`: misses fewer plates.")] = None
    detection_rule: Annotated[Any, Field(description="`strict`: discard plates outside of vehicles.")] = None
    detection_mode: Annotated[Any, Field(description="`vehicle`: report vehicles, with a plate or without.")] = None
    region: Annotated[Any, Field(description="`strict`: only plates that match a template of `regions`.")] = None
    threshold_d: Annotated[Any, Field(description="Least confidence that something is a plate; 0 to 1.")] = 0.2
    threshold_o: Annotated[Any, Field(description="Least confidence in a reading; 0 to 1.")] = 0.6
    text_formats: Annotated[
        Any,
        Field(
            description="Up to 20 regular expressions of up to 100 characters that guide the reading, each of a whole "
            "text without separators, in any case: characters, classes, groups, alternatives and repetitions."
        ),
    ] = None
    plates_per_vehicle: Annotated[Any, Field(description="Plates that one vehicle may have.")] = 1
    zoom_in_vehicles: Annotated[Any, Field(description="Vehicles that get a second, enlarged look.")] = 4


class RecognitionRequest(BaseModel):
    """A picture and how to read it; in a form, `upload` is a file or base64 text. Unknown fields are ignored."""

    upload: Annotated[str | None, Field(description="The picture, as base64 text.", examples=[EXAMPLE_PICTURE])] = None
    upload_url: Annotated[
        str | None, Field(description="Where the picture is, if there is no `upload`: a public http(s) address.")
    ] = None
    regions: Annotated[list[str] | str | None, Field(description="Codes of likely regions, such as `us-ca`.")] = None
    camera_id: Annotated[str | int | float | None, Field(description="Echoed; selects the detection zones.")] = None
    timestamp: Annotated[str | None, Field(description="When the picture was taken, in ISO 8601; echoed as UTC.")] = (
        None
    )
    mmc: Annotated[Flag | None, Field(description="Whether make, model, colour and orientation are wanted.")] = None
    direction: Annotated[Flag | None, Field(description="Whether the direction of vehicles is wanted.")] = None
    config: Config | str | None = None


class BlurRequest(RecognitionRequest):
    """A picture and how to blur it."""

    plates: Annotated[
        int | str | None, Field(description="How strongly, 1 to 10; 0: tell where the plates are, and no more.")
    ] = 10


class Box(BaseModel):
    """Pixels of the upright picture."""

    xmin: Pixel
    ymin: Pixel
    xmax: Pixel
    ymax: Pixel


class Candidate(BaseModel):
    score: Score
    plate: str


class Region(BaseModel):
    code: str
    score: Score


class VehicleSummary(BaseModel):
    """All zero where the plate stands alone."""

    score: Score
    type: str
    box: Box


class Make(BaseModel):
    make: str
    model: str
    score: Score


class Color(BaseModel):
    color: str
    score: Score


class Orientation(BaseModel):
    orientation: str
    score: Score


class Heading(BaseModel):
    """Which way the vehicle heads: there with the request's field `direction`, where it can be known."""

    direction: Annotated[
        int | None,
        Field(ge=0, lt=360, description="Degrees: 0 to the right, 90 away from the camera, 180 left, 270 towards it."),
    ] = None
    direction_score: Annotated[Score | None, Field(description="Confidence that it is right to 20 degrees.")] = None


class PlateResult(Heading):
    """A plate. The last three lists are there when `mmc` is on."""

    box: Box
    plate: str
    region: Region
    score: Annotated[Score, Field(description="Confidence in the reading.")]
    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=5)]
    dscore: Annotated[Score, Field(description="Confidence that this is a plate.")]
    vehicle: VehicleSummary
    model_make: list[Make] | None = None
    color: list[Color] | None = None
    orientation: list[Orientation] | None = None
    polygon: Annotated[list[tuple[int, int]], Field(description="The corners, clockwise from the plate's upper left.")]


class Scored(BaseModel):
    value: str
    score: Score


class PlateProps(BaseModel):
    plate: list[Scored]
    region: list[Scored]


class SeenPlate(BaseModel):
    type: str
    score: Score
    box: Box
    props: PlateProps
    polygon: list[tuple[int, int]]


class VehicleProps(BaseModel):
    make_model: list[Make]
    orientation: list[Scored]
    color: list[Scored]


class SeenVehicle(BaseModel):
    type: str
    score: Score
    box: Box
    props: VehicleProps


class VehicleResult(Heading):
    """A vehicle, its plate, or both: with `detection_mode` `vehicle`."""

    plate: SeenPlate | None
    vehicle: SeenVehicle | None


class UsageNow(BaseModel):
    calls: Pixel
    max_calls: Pixel


class Recognition(BaseModel):
    """What was read, the best plate first."""

    processing_time: Annotated[float, Field(ge=0, description="Milliseconds.")]
    results: list[PlateResult] | list[VehicleResult]
    filename: str
    version: int
    camera_id: str | None
    timestamp: str
    usage: UsageNow | None = None
    image_width: Pixel
    image_height: Pixel


class BlurredPicture(BaseModel):
    base64: str
    contentType: str  # noqa: N815
    filename: str


class BlurredPlate(BaseModel):
    polygon: Annotated[list[tuple[int, int]], Field(description="The corners, clockwise from the plate's upper left.")]
    result: PlateResult


class Blurred(BaseModel):
    """The picture as JPEG with its plates made unreadable (`null` where that was not wanted), and where they are."""

    blur: BlurredPicture | None
    plates: list[BlurredPlate]
    faces: Annotated[list[Any], Field(max_length=0, description="Always empty: faces are not looked for.")]
    processing_time: Annotated[float, Field(ge=0)]
    filename: str
    version: int
    camera_id: str | None
    timestamp: str
    image_width: Pixel
    image_height: Pixel


class Month(BaseModel):
    month: Annotated[int, Field(ge=1, le=12)]
    calls: Pixel
    year: int
    resets_on: str


class Statistics(BaseModel):
    usage: Month
    total_calls: Annotated[Pixel, Field(description="Calls a month that are allowed.")]


class Calls(BaseModel):
    calls: Pixel


class Info(BaseModel):
    version: str
    license_key: str
    total_calls: Pixel
    usage: Calls
    webhooks: list[Any]


class WebhookView(HookSettings):
    """A webhook without its secrets."""

    secret: Annotated[str, Field(exclude=True)] = ""
    id: int
    signed: Annotated[bool, Field(description="Whether it has a secret.")]
    from_environment: bool
    disabled_reason: Annotated[str, Field(description="Why it was disabled, if not by its owner.")]
    state: Annotated[dict[str, Any] | None, Field(description="Counts and failures, where one is asked for.")] = None


class ResultPage(BaseModel):
    results: list[dict[str, Any]]
    next: Annotated[str | None, Field(description="The address of the following page.")]


class RegionEntry(BaseModel):
    """A region of the field `regions`."""

    code: str
    name: str
    country: str
    aliases: list[str]
    predicted: Annotated[bool, Field(description="Whether the region of a plate can be told from its picture.")]
    vanity: Annotated[bool, Field(description="Whether plates may have any text.")]
    templates: Annotated[list[str], Field(description="Forms of its plates.")]
    older: Annotated[list[str], Field(description="Forms of plates that are no longer given out.")]


class RegionTable(BaseModel):
    regions: list[RegionEntry]


class Error(BaseModel):
    """Every error has this shape; `detail` and `error` are the same text."""

    detail: str
    error: str
    status_code: int
