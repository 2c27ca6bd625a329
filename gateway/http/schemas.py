"""Models of requests and responses for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from platelane.webhooks.hook import HookSettings

Score = Annotated[float, Field(ge=0, le=1)]
Pixel = Annotated[int, Field(ge=0)]
Flag = bool | str | int

EXAMPLE_PICTURE: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGUlEQVR4nGOMiopiIAUwkaR6VMOohiGlAQBtAQEu3Ke9FAAAAABJRU5ErkJggg=="
)
"""A grey PNG of 16 pixels, in base64."""


class Config(BaseModel):
    """How to read a picture. Unknown keys and values are ignored."""

    mode: Annotated[
        Any,
        Field(description="`fast`: one detection pass. `redaction`: misses fewer plates, and reports some false ones."),
    ] = None
    detection_rule: Annotated[Any, Field(description="`strict`: discard plates that are not on a vehicle.")] = None
    detection_mode: Annotated[Any, Field(description="`vehicle`: report vehicles too, with or without a plate.")] = None
    region: Annotated[Any, Field(description="`strict`: only plates that match a template of one of `regions`.")] = None
    threshold_d: Annotated[Any, Field(description="Detection threshold, 0 to 1.")] = 0.2
    threshold_o: Annotated[Any, Field(description="Threshold for the score of the text, 0 to 1.")] = 0.6
    text_formats: Annotated[
        Any,
        Field(
            description="Up to 20 regular expressions of up to 100 characters that guide the reading. Each describes "
            "the whole text, without separators and ignoring case. Supported: characters, classes, groups, "
            "alternatives and repetitions."
        ),
    ] = None
    plates_per_vehicle: Annotated[
        Any,
        Field(
            description="Maximum number of plates per vehicle. Default: 1, plus others whose text is certain and fits "
            "a likely region."
        ),
    ] = None
    zoom_in_vehicles: Annotated[
        Any,
        Field(
            description="How many vehicles to search a second time, enlarged. Default: all without a certain plate, as "
            "far as time allows; a picture without any certain plate is also searched in parts."
        ),
    ] = None


class RecognitionRequest(BaseModel):
    """A picture and how to read it. In a form, `upload` is a file or base64. Unknown fields are ignored."""

    upload: Annotated[str | None, Field(description="The picture in base64.", examples=[EXAMPLE_PICTURE])] = None
    upload_url: Annotated[
        str | None, Field(description="Public http(s) URL of the picture, if there is no `upload`.")
    ] = None
    regions: Annotated[
        list[str] | str | None, Field(description="Codes of the regions to expect, such as `us-ca`.")
    ] = None
    camera_id: Annotated[
        str | int | float | None,
        Field(description="Name of the camera; returned in the answer, and selects its detection zones."),
    ] = None
    timestamp: Annotated[str | None, Field(description="When the picture was taken (ISO 8601); returned in UTC.")] = (
        None
    )
    mmc: Annotated[Flag | None, Field(description="Whether to report make, model, colour and orientation.")] = None
    direction: Annotated[Flag | None, Field(description="Whether to report the direction of vehicles.")] = None
    characters: Annotated[
        Flag | None, Field(description="Whether to report the score of each character; may also be in `config`.")
    ] = None
    config: Config | str | None = None


class BlurRequest(RecognitionRequest):
    """A picture and how to blur it."""

    plates: Annotated[
        int | str | None, Field(description="How strongly to blur, 1 to 10; 0 only reports the plates.")
    ] = 10


class Box(BaseModel):
    """Pixels of the upright picture."""

    xmin: Pixel
    ymin: Pixel
    xmax: Pixel
    ymax: Pixel


class Character(BaseModel):
    """A character of a text, and the probability that it is right."""

    char: str
    score: Score


class Candidate(BaseModel):
    """A reading of a plate. `characters` is present with the field `characters`."""

    score: Score
    plate: str
    characters: list[Character] | None = None


class Region(BaseModel):
    code: str
    score: Score


class VehicleSummary(BaseModel):
    """The vehicle of a plate; all values are zero if there is none."""

    score: Score
    type: str
    box: Box


class Make(BaseModel):
    make: str
    model: str
    score: Score


class Years(BaseModel):
    """First and last year of the vehicle's generation, if known."""

    year_range: tuple[int, int]
    score: Score


class Color(BaseModel):
    color: str
    score: Score


class Orientation(BaseModel):
    orientation: str
    score: Score


class Heading(BaseModel):
    """The direction in which the vehicle is heading, if the field `direction` asks for it and it can be determined."""

    direction: Annotated[
        int | None,
        Field(ge=0, lt=360, description="Degrees: 0 to the right, 90 away from the camera, 180 left, 270 towards it."),
    ] = None
    direction_score: Annotated[Score | None, Field(description="Probability that it is right within 20 degrees.")] = (
        None
    )


class PlateResult(Heading):
    """A plate. `model_make`, `color`, `orientation` and `year` come with `mmc`, `characters` with `characters`."""

    box: Box
    plate: str
    region: Region
    score: Annotated[Score, Field(description="Probability that the text is right.")]
    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=5)]
    dscore: Annotated[Score, Field(description="Probability that this is a plate.")]
    vehicle: VehicleSummary
    model_make: list[Make] | None = None
    color: list[Color] | None = None
    orientation: list[Orientation] | None = None
    year: list[Years] | None = None
    polygon: Annotated[
        list[tuple[int, int]], Field(description="The four corners, clockwise from the upper left of the plate.")
    ]
    characters: list[Character] | None = None


class Scored(BaseModel):
    value: str
    score: Score


class ReadText(Scored):
    characters: list[Character] | None = None


class PlateProps(BaseModel):
    plate: list[ReadText]
    region: list[Scored]


class SeenPlate(BaseModel):
    type: str
    score: Score
    box: Box
    props: PlateProps
    polygon: list[tuple[int, int]]
    characters: list[Character] | None = None


class VehicleProps(BaseModel):
    make_model: list[Make]
    orientation: list[Scored]
    color: list[Scored]
    year: list[Years] | None = None


class SeenVehicle(BaseModel):
    type: str
    score: Score
    box: Box
    props: VehicleProps


class VehicleResult(Heading):
    """A vehicle, a plate, or both, in the `detection_mode` `vehicle`."""

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
    polygon: Annotated[
        list[tuple[int, int]], Field(description="The four corners, clockwise from the upper left of the plate.")
    ]
    result: PlateResult


class Blurred(BaseModel):
    """The picture as JPEG with blurred plates (`null` if `plates` is 0), and the plates."""

    blur: BlurredPicture | None
    plates: list[BlurredPlate]
    faces: Annotated[list[Any], Field(max_length=0, description="Always empty: faces are not detected.")]
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
    total_calls: Annotated[Pixel, Field(description="Calls allowed per month.")]


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
    disabled_reason: Annotated[str, Field(description="Why it was disabled automatically, or empty.")]
    state: Annotated[
        dict[str, Any] | None, Field(description="Counts and failures; only when a single webhook is requested.")
    ] = None


class ResultPage(BaseModel):
    results: list[dict[str, Any]]
    next: Annotated[str | None, Field(description="Path of the next page.")]


class ReadVehicle(BaseModel):
    """The most likely values for the vehicle; `null` if unknown."""

    type: str | None
    make: str | None
    model: str | None
    color: str | None
    orientation: str | None
    direction: int | None


class ReadImages(BaseModel):
    """Paths of small pictures; `null` if none is kept."""

    plate: str | None
    vehicle: str | None


class Read(BaseModel):
    """One plate of one photograph."""

    id: str
    plate: str
    camera_id: str | None
    time: str
    score: Score
    dscore: Score
    region: Region
    vehicle: ReadVehicle
    box: Box
    image: ReadImages
    correction: dict[str, Any] | None
    watchlists: Annotated[list[str], Field(description="Names of the watch-lists that contain the plate.")]
    seen_before: Annotated[int, Field(ge=0, description="Earlier reads of the plate, up to 1,000.")]


class ReadPage(BaseModel):
    reads: list[Read]
    next: Annotated[str | None, Field(description="`cursor` of the next page.")]
    total: Annotated[int | None, Field(description="How many there are, if one page holds them all.")]


class ReadGroup(BaseModel):
    plate: str
    count: int
    first: str
    last: str
    cameras: list[str]


class ReadGroups(BaseModel):
    groups: list[ReadGroup]
    next: Annotated[None, Field(description="Always `null`: there is one page.")]


class Bucket(BaseModel):
    key: str
    count: int


class Analytics(BaseModel):
    by: str
    buckets: list[Bucket]


class TokenView(BaseModel):
    """The properties of a token, without the token itself."""

    name: str
    created: str
    rate_limit: Annotated[int | None, Field(description="Uploads per second; `null` for the server's default.")]
    max_calls: Annotated[int | None, Field(description="Calls per month; `null` for the server's default.")]
    admin: Annotated[bool, Field(description="Whether it may manage tokens.")]
    calls: Annotated[Pixel, Field(description="Calls this month.")]


class CreatedToken(TokenView):
    """A new token, which is shown only once."""

    token: str


class DayUsage(BaseModel):
    day: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", description="In UTC.")]
    calls: Pixel


class TokenUsage(BaseModel):
    """The calls of a token; all tokens of `PLATELANE_TOKENS` count together, as `settings`."""

    name: str
    calls: Pixel
    max_calls: Annotated[Pixel, Field(description="Calls allowed per month.")]


class MonthUsage(BaseModel):
    """The calls of a month."""

    month: Annotated[str, Field(pattern=r"^\d{4}-\d\d$")]
    max_calls: Annotated[Pixel, Field(description="Calls allowed per month.")]
    calls: Pixel
    days: Annotated[list[DayUsage], Field(description="From the first of the month to its last day, or to today.")]
    tokens: Annotated[list[TokenUsage], Field(description="All tokens if the caller is the operator, otherwise empty.")]


class CameraAccuracy(BaseModel):
    """The counts of one camera; `camera_id` is empty for photographs without one."""

    camera_id: str
    reviewed: Annotated[int, Field(ge=0, description="Plates that a person has reviewed.")]
    correct: Annotated[int, Field(ge=0, description="Reviewed plates that had been read correctly.")]


class Accuracy(BaseModel):
    cameras: list[CameraAccuracy]


class HealthPart(BaseModel):
    """A part of the pipeline; `advice` is null if its status is `ok`."""

    status: Annotated[str, Field(json_schema_extra={"enum": ["ok", "warn", "fail"]})]
    advice: Annotated[str | None, Field(description="What is wrong, and the section of the runbook about it.")]


class ServiceHealth(HealthPart):
    """A service."""

    name: str
    replicas: Annotated[Pixel, Field(description="Processes that answered.")]


class QueueHealth(HealthPart):
    """A consumer of the pipeline, or the queue of a webhook."""

    name: str
    waiting: Annotated[int | None, Field(description="Messages that no worker has taken yet.")]
    working: Annotated[int | None, Field(description="Messages being processed; `null` for webhooks.")]


class StageHealth(HealthPart):
    """How long a stage takes for a message, over all its processes since they started."""

    stage: str
    p50_ms: float
    p95_ms: float


class ModelHealth(HealthPart):
    """A model that the stages use."""

    name: str
    ready: bool
    batch_sizes: Annotated[list[int], Field(description="The largest batch that Triton accepts.")]


class StreamHealth(HealthPart):
    """A NATS stream."""

    name: str
    messages: int
    bytes: int
    max_bytes: int | None


class DiskHealth(HealthPart):
    """The disk that the store is on."""

    used_bytes: int
    total_bytes: int


class ErrorHealth(HealthPart):
    """Messages that were given up in the last hour, after too many failures."""

    service: Annotated[str, Field(description="The stream that they were in.")]
    event: str
    count: int


class PipelineHealth(HealthPart):
    """The whole pipeline, without parts whose state is unknown; has `advice` if NATS does not answer."""

    advice: str | None = None
    services: list[ServiceHealth] = []
    queues: list[QueueHealth] = []
    latency: list[StageHealth] = []
    models: list[ModelHealth] = []
    streams: list[StreamHealth] = []
    disk: DiskHealth | None = None
    errors: list[ErrorHealth] = []


class CameraEntry(BaseModel):
    """A camera that has sent something."""

    camera_id: str
    last_seen: str
    reads: int
    picture: Annotated[str | None, Field(description="Path of its last picture.")]


class StoredResult(BaseModel):
    """The answer to the photograph, and its place among the stored results."""

    model_config = ConfigDict(extra="allow")

    id: str
    sequence: Pixel
    results: list[Any]


class Pending(BaseModel):
    """A photograph that has been accepted, and will be read."""

    id: str
    status: Literal["pending"]
    result: Annotated[str | None, Field(description="Path of the result.")] = None


class RegionEntry(BaseModel):
    """A region that the field `regions` accepts."""

    code: str
    name: str
    country: str
    aliases: list[str]
    predicted: Annotated[bool, Field(description="Whether the models recognise plates of the region.")]
    vanity: Annotated[bool, Field(description="Whether plates may have any text.")]
    templates: Annotated[list[str], Field(description="Regular expressions of plates currently issued.")]
    older: Annotated[list[str], Field(description="Regular expressions of older plates still in use.")]


class RegionTable(BaseModel):
    regions: list[RegionEntry]


class Error(BaseModel):
    """Every error has this shape; `detail` and `error` are the same text."""

    detail: str
    error: str
    status_code: int
