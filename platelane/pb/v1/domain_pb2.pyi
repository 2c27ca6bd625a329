from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_REGULAR: _ClassVar[Mode]
    MODE_FAST: _ClassVar[Mode]
    MODE_REDACTION: _ClassVar[Mode]
MODE_REGULAR: Mode
MODE_FAST: Mode
MODE_REDACTION: Mode

class Box(_message.Message):
    __slots__ = ("xmin", "ymin", "xmax", "ymax")
    XMIN_FIELD_NUMBER: _ClassVar[int]
    YMIN_FIELD_NUMBER: _ClassVar[int]
    XMAX_FIELD_NUMBER: _ClassVar[int]
    YMAX_FIELD_NUMBER: _ClassVar[int]
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    def __init__(self, xmin: _Optional[float] = ..., ymin: _Optional[float] = ..., xmax: _Optional[float] = ..., ymax: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class Polygon(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Scored(_message.Message):
    __slots__ = ("value", "score", "character_scores")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_SCORES_FIELD_NUMBER: _ClassVar[int]
    value: str
    score: float
    character_scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, value: _Optional[str] = ..., score: _Optional[float] = ..., character_scores: _Optional[_Iterable[float]] = ...) -> None: ...

class MakeModel(_message.Message):
    __slots__ = ("make", "model", "score", "first_year", "last_year")
    MAKE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FIRST_YEAR_FIELD_NUMBER: _ClassVar[int]
    LAST_YEAR_FIELD_NUMBER: _ClassVar[int]
    make: str
    model: str
    score: float
    first_year: int
    last_year: int
    def __init__(self, make: _Optional[str] = ..., model: _Optional[str] = ..., score: _Optional[float] = ..., first_year: _Optional[int] = ..., last_year: _Optional[int] = ...) -> None: ...

class Plate(_message.Message):
    __slots__ = ("box", "corners", "detection_score", "text", "text_score", "candidates", "regions", "character_scores", "crop")
    BOX_FIELD_NUMBER: _ClassVar[int]
    CORNERS_FIELD_NUMBER: _ClassVar[int]
    DETECTION_SCORE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXT_SCORE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    CHARACTER_SCORES_FIELD_NUMBER: _ClassVar[int]
    CROP_FIELD_NUMBER: _ClassVar[int]
    box: Box
    corners: _containers.RepeatedCompositeFieldContainer[Point]
    detection_score: float
    text: str
    text_score: float
    candidates: _containers.RepeatedCompositeFieldContainer[Scored]
    regions: _containers.RepeatedCompositeFieldContainer[Scored]
    character_scores: _containers.RepeatedScalarFieldContainer[float]
    crop: int
    def __init__(self, box: _Optional[_Union[Box, _Mapping]] = ..., corners: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., detection_score: _Optional[float] = ..., text: _Optional[str] = ..., text_score: _Optional[float] = ..., candidates: _Optional[_Iterable[_Union[Scored, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[Scored, _Mapping]]] = ..., character_scores: _Optional[_Iterable[float]] = ..., crop: _Optional[int] = ...) -> None: ...

class Direction(_message.Message):
    __slots__ = ("degrees", "score")
    DEGREES_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    degrees: float
    score: float
    def __init__(self, degrees: _Optional[float] = ..., score: _Optional[float] = ...) -> None: ...

class Vehicle(_message.Message):
    __slots__ = ("box", "detection_score", "types", "make_models", "colors", "orientations", "direction")
    BOX_FIELD_NUMBER: _ClassVar[int]
    DETECTION_SCORE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    MAKE_MODELS_FIELD_NUMBER: _ClassVar[int]
    COLORS_FIELD_NUMBER: _ClassVar[int]
    ORIENTATIONS_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    box: Box
    detection_score: float
    types: _containers.RepeatedCompositeFieldContainer[Scored]
    make_models: _containers.RepeatedCompositeFieldContainer[MakeModel]
    colors: _containers.RepeatedCompositeFieldContainer[Scored]
    orientations: _containers.RepeatedCompositeFieldContainer[Scored]
    direction: Direction
    def __init__(self, box: _Optional[_Union[Box, _Mapping]] = ..., detection_score: _Optional[float] = ..., types: _Optional[_Iterable[_Union[Scored, _Mapping]]] = ..., make_models: _Optional[_Iterable[_Union[MakeModel, _Mapping]]] = ..., colors: _Optional[_Iterable[_Union[Scored, _Mapping]]] = ..., orientations: _Optional[_Iterable[_Union[Scored, _Mapping]]] = ..., direction: _Optional[_Union[Direction, _Mapping]] = ...) -> None: ...

class Sighting(_message.Message):
    __slots__ = ("plate", "vehicle")
    PLATE_FIELD_NUMBER: _ClassVar[int]
    VEHICLE_FIELD_NUMBER: _ClassVar[int]
    plate: Plate
    vehicle: Vehicle
    def __init__(self, plate: _Optional[_Union[Plate, _Mapping]] = ..., vehicle: _Optional[_Union[Vehicle, _Mapping]] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("mode", "strict_detection", "vehicles", "regions", "strict_region", "text_formats", "threshold_detection", "threshold_text", "plates_per_vehicle", "zoom_in_vehicles", "make_model_color", "excluded", "direction", "characters", "explicit_thresholds")
    MODE_FIELD_NUMBER: _ClassVar[int]
    STRICT_DETECTION_FIELD_NUMBER: _ClassVar[int]
    VEHICLES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    STRICT_REGION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMATS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_DETECTION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_TEXT_FIELD_NUMBER: _ClassVar[int]
    PLATES_PER_VEHICLE_FIELD_NUMBER: _ClassVar[int]
    ZOOM_IN_VEHICLES_FIELD_NUMBER: _ClassVar[int]
    MAKE_MODEL_COLOR_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    EXPLICIT_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    mode: Mode
    strict_detection: bool
    vehicles: bool
    regions: _containers.RepeatedScalarFieldContainer[str]
    strict_region: bool
    text_formats: _containers.RepeatedScalarFieldContainer[str]
    threshold_detection: float
    threshold_text: float
    plates_per_vehicle: int
    zoom_in_vehicles: int
    make_model_color: bool
    excluded: _containers.RepeatedCompositeFieldContainer[Polygon]
    direction: bool
    characters: bool
    explicit_thresholds: bool
    def __init__(self, mode: _Optional[_Union[Mode, str]] = ..., strict_detection: _Optional[bool] = ..., vehicles: _Optional[bool] = ..., regions: _Optional[_Iterable[str]] = ..., strict_region: _Optional[bool] = ..., text_formats: _Optional[_Iterable[str]] = ..., threshold_detection: _Optional[float] = ..., threshold_text: _Optional[float] = ..., plates_per_vehicle: _Optional[int] = ..., zoom_in_vehicles: _Optional[int] = ..., make_model_color: _Optional[bool] = ..., excluded: _Optional[_Iterable[_Union[Polygon, _Mapping]]] = ..., direction: _Optional[bool] = ..., characters: _Optional[bool] = ..., explicit_thresholds: _Optional[bool] = ...) -> None: ...

class Recognition(_message.Message):
    __slots__ = ("id", "camera_id", "filename", "timestamp_us", "image_width", "image_height", "sightings", "options", "processing_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIGHTINGS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    camera_id: str
    filename: str
    timestamp_us: int
    image_width: int
    image_height: int
    sightings: _containers.RepeatedCompositeFieldContainer[Sighting]
    options: Options
    processing_ms: float
    def __init__(self, id: _Optional[str] = ..., camera_id: _Optional[str] = ..., filename: _Optional[str] = ..., timestamp_us: _Optional[int] = ..., image_width: _Optional[int] = ..., image_height: _Optional[int] = ..., sightings: _Optional[_Iterable[_Union[Sighting, _Mapping]]] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., processing_ms: _Optional[float] = ...) -> None: ...
