from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlateMatch(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLATE_MATCH_EXACT: _ClassVar[PlateMatch]
    PLATE_MATCH_WILDCARD: _ClassVar[PlateMatch]
    PLATE_MATCH_NEAR: _ClassVar[PlateMatch]
PLATE_MATCH_EXACT: PlateMatch
PLATE_MATCH_WILDCARD: PlateMatch
PLATE_MATCH_NEAR: PlateMatch

class ReadFilter(_message.Message):
    __slots__ = ("account", "plate", "match", "camera_id", "region", "make", "color", "type", "score_min", "after_us", "before_us", "first_seen", "reviewed", "watched")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PLATE_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    MAKE_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SCORE_MIN_FIELD_NUMBER: _ClassVar[int]
    AFTER_US_FIELD_NUMBER: _ClassVar[int]
    BEFORE_US_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_FIELD_NUMBER: _ClassVar[int]
    REVIEWED_FIELD_NUMBER: _ClassVar[int]
    WATCHED_FIELD_NUMBER: _ClassVar[int]
    account: str
    plate: str
    match: PlateMatch
    camera_id: str
    region: str
    make: str
    color: str
    type: str
    score_min: float
    after_us: int
    before_us: int
    first_seen: bool
    reviewed: bool
    watched: _containers.RepeatedCompositeFieldContainer[Watched]
    def __init__(self, account: _Optional[str] = ..., plate: _Optional[str] = ..., match: _Optional[_Union[PlateMatch, str]] = ..., camera_id: _Optional[str] = ..., region: _Optional[str] = ..., make: _Optional[str] = ..., color: _Optional[str] = ..., type: _Optional[str] = ..., score_min: _Optional[float] = ..., after_us: _Optional[int] = ..., before_us: _Optional[int] = ..., first_seen: _Optional[bool] = ..., reviewed: _Optional[bool] = ..., watched: _Optional[_Iterable[_Union[Watched, _Mapping]]] = ...) -> None: ...

class Watched(_message.Message):
    __slots__ = ("plates", "distance")
    PLATES_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    plates: _containers.RepeatedCompositeFieldContainer[WatchedPlate]
    distance: int
    def __init__(self, plates: _Optional[_Iterable[_Union[WatchedPlate, _Mapping]]] = ..., distance: _Optional[int] = ...) -> None: ...

class WatchedPlate(_message.Message):
    __slots__ = ("text", "from_us", "to_us")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FROM_US_FIELD_NUMBER: _ClassVar[int]
    TO_US_FIELD_NUMBER: _ClassVar[int]
    text: str
    from_us: int
    to_us: int
    def __init__(self, text: _Optional[str] = ..., from_us: _Optional[int] = ..., to_us: _Optional[int] = ...) -> None: ...

class SearchReads(_message.Message):
    __slots__ = ("page_size", "cursor")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    cursor: str
    def __init__(self, page_size: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class GroupReads(_message.Message):
    __slots__ = ("page_size",)
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    def __init__(self, page_size: _Optional[int] = ...) -> None: ...

class CountReads(_message.Message):
    __slots__ = ("by",)
    BY_FIELD_NUMBER: _ClassVar[int]
    by: str
    def __init__(self, by: _Optional[str] = ...) -> None: ...

class FindResults(_message.Message):
    __slots__ = ("page_size", "before")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    before: int
    def __init__(self, page_size: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class ListCameras(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class MeasureAccuracy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CountCorrections(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReadsRequest(_message.Message):
    __slots__ = ("filter", "search", "group", "count", "find_results", "list_cameras", "measure_accuracy", "count_corrections")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FIND_RESULTS_FIELD_NUMBER: _ClassVar[int]
    LIST_CAMERAS_FIELD_NUMBER: _ClassVar[int]
    MEASURE_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    COUNT_CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    filter: ReadFilter
    search: SearchReads
    group: GroupReads
    count: CountReads
    find_results: FindResults
    list_cameras: ListCameras
    measure_accuracy: MeasureAccuracy
    count_corrections: CountCorrections
    def __init__(self, filter: _Optional[_Union[ReadFilter, _Mapping]] = ..., search: _Optional[_Union[SearchReads, _Mapping]] = ..., group: _Optional[_Union[GroupReads, _Mapping]] = ..., count: _Optional[_Union[CountReads, _Mapping]] = ..., find_results: _Optional[_Union[FindResults, _Mapping]] = ..., list_cameras: _Optional[_Union[ListCameras, _Mapping]] = ..., measure_accuracy: _Optional[_Union[MeasureAccuracy, _Mapping]] = ..., count_corrections: _Optional[_Union[CountCorrections, _Mapping]] = ...) -> None: ...

class ReadsError(_message.Message):
    __slots__ = ("status", "detail")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    status: int
    detail: str
    def __init__(self, status: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class ReadsReply(_message.Message):
    __slots__ = ("json", "error")
    JSON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    json: bytes
    error: ReadsError
    def __init__(self, json: _Optional[bytes] = ..., error: _Optional[_Union[ReadsError, _Mapping]] = ...) -> None: ...
