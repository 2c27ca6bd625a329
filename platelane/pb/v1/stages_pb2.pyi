from platelane.pb.v1 import domain_pb2 as _domain_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_PLATES: _ClassVar[Stage]
    STAGE_VEHICLES: _ClassVar[Stage]

class FailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_KIND_UNSPECIFIED: _ClassVar[FailureKind]
    FAILURE_KIND_BAD_IMAGE: _ClassVar[FailureKind]
    FAILURE_KIND_BAD_REQUEST: _ClassVar[FailureKind]
    FAILURE_KIND_UNAVAILABLE: _ClassVar[FailureKind]
    FAILURE_KIND_INTERNAL: _ClassVar[FailureKind]
STAGE_UNSPECIFIED: Stage
STAGE_PLATES: Stage
STAGE_VEHICLES: Stage
FAILURE_KIND_UNSPECIFIED: FailureKind
FAILURE_KIND_BAD_IMAGE: FailureKind
FAILURE_KIND_BAD_REQUEST: FailureKind
FAILURE_KIND_UNAVAILABLE: FailureKind
FAILURE_KIND_INTERNAL: FailureKind

class JobContext(_message.Message):
    __slots__ = ("id", "deadline_us", "accepted_us", "reply_subject", "camera_id", "filename", "timestamp_us", "account")
    ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_US_FIELD_NUMBER: _ClassVar[int]
    REPLY_SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    deadline_us: int
    accepted_us: int
    reply_subject: str
    camera_id: str
    filename: str
    timestamp_us: int
    account: str
    def __init__(self, id: _Optional[str] = ..., deadline_us: _Optional[int] = ..., accepted_us: _Optional[int] = ..., reply_subject: _Optional[str] = ..., camera_id: _Optional[str] = ..., filename: _Optional[str] = ..., timestamp_us: _Optional[int] = ..., account: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("context", "options", "image")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    options: _domain_pb2.Options
    image: bytes
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., options: _Optional[_Union[_domain_pb2.Options, _Mapping]] = ..., image: _Optional[bytes] = ...) -> None: ...

class ReadingOptions(_message.Message):
    __slots__ = ("regions", "strict_region", "text_formats", "characters")
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    STRICT_REGION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FORMATS_FIELD_NUMBER: _ClassVar[int]
    CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    regions: _containers.RepeatedScalarFieldContainer[str]
    strict_region: bool
    text_formats: _containers.RepeatedScalarFieldContainer[str]
    characters: bool
    def __init__(self, regions: _Optional[_Iterable[str]] = ..., strict_region: _Optional[bool] = ..., text_formats: _Optional[_Iterable[str]] = ..., characters: _Optional[bool] = ...) -> None: ...

class PlateCrops(_message.Message):
    __slots__ = ("context", "options", "crops", "other_crops")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    OTHER_CROPS_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    options: ReadingOptions
    crops: _containers.RepeatedScalarFieldContainer[bytes]
    other_crops: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., options: _Optional[_Union[ReadingOptions, _Mapping]] = ..., crops: _Optional[_Iterable[bytes]] = ..., other_crops: _Optional[_Iterable[bytes]] = ...) -> None: ...

class VehicleCrops(_message.Message):
    __slots__ = ("context", "crops")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CROPS_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    crops: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., crops: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("context",)
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ...) -> None: ...

class DetectionPart(_message.Message):
    __slots__ = ("context", "options", "image_width", "image_height", "plates", "vehicles", "plate_vehicle", "due", "reported_vehicles")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PLATES_FIELD_NUMBER: _ClassVar[int]
    VEHICLES_FIELD_NUMBER: _ClassVar[int]
    PLATE_VEHICLE_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    REPORTED_VEHICLES_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    options: _domain_pb2.Options
    image_width: int
    image_height: int
    plates: _containers.RepeatedCompositeFieldContainer[_domain_pb2.Plate]
    vehicles: _containers.RepeatedCompositeFieldContainer[_domain_pb2.Vehicle]
    plate_vehicle: _containers.RepeatedScalarFieldContainer[int]
    due: _containers.RepeatedScalarFieldContainer[Stage]
    reported_vehicles: int
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., options: _Optional[_Union[_domain_pb2.Options, _Mapping]] = ..., image_width: _Optional[int] = ..., image_height: _Optional[int] = ..., plates: _Optional[_Iterable[_Union[_domain_pb2.Plate, _Mapping]]] = ..., vehicles: _Optional[_Iterable[_Union[_domain_pb2.Vehicle, _Mapping]]] = ..., plate_vehicle: _Optional[_Iterable[int]] = ..., due: _Optional[_Iterable[_Union[Stage, str]]] = ..., reported_vehicles: _Optional[int] = ...) -> None: ...

class PlatesPart(_message.Message):
    __slots__ = ("context", "plates")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PLATES_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    plates: _containers.RepeatedCompositeFieldContainer[_domain_pb2.Plate]
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., plates: _Optional[_Iterable[_Union[_domain_pb2.Plate, _Mapping]]] = ...) -> None: ...

class VehiclesPart(_message.Message):
    __slots__ = ("context", "vehicles")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    VEHICLES_FIELD_NUMBER: _ClassVar[int]
    context: JobContext
    vehicles: _containers.RepeatedCompositeFieldContainer[_domain_pb2.Vehicle]
    def __init__(self, context: _Optional[_Union[JobContext, _Mapping]] = ..., vehicles: _Optional[_Iterable[_Union[_domain_pb2.Vehicle, _Mapping]]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind", "detail")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    kind: FailureKind
    detail: str
    def __init__(self, kind: _Optional[_Union[FailureKind, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("job_id", "recognition", "failure", "calls")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    recognition: _domain_pb2.Recognition
    failure: Failure
    calls: int
    def __init__(self, job_id: _Optional[str] = ..., recognition: _Optional[_Union[_domain_pb2.Recognition, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., calls: _Optional[int] = ...) -> None: ...

class KeyedRequest(_message.Message):
    __slots__ = ("job_id", "digest", "deadline_us")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    digest: bytes
    deadline_us: int
    def __init__(self, job_id: _Optional[str] = ..., digest: _Optional[bytes] = ..., deadline_us: _Optional[int] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("recognition", "account")
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    recognition: _domain_pb2.Recognition
    account: str
    def __init__(self, recognition: _Optional[_Union[_domain_pb2.Recognition, _Mapping]] = ..., account: _Optional[str] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("result", "queued_us", "sequence", "due_us")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    QUEUED_US_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUE_US_FIELD_NUMBER: _ClassVar[int]
    result: Result
    queued_us: int
    sequence: int
    due_us: int
    def __init__(self, result: _Optional[_Union[Result, _Mapping]] = ..., queued_us: _Optional[int] = ..., sequence: _Optional[int] = ..., due_us: _Optional[int] = ...) -> None: ...

class KeptCrops(_message.Message):
    __slots__ = ("plates",)
    PLATES_FIELD_NUMBER: _ClassVar[int]
    plates: _containers.RepeatedCompositeFieldContainer[KeptCrop]
    def __init__(self, plates: _Optional[_Iterable[_Union[KeptCrop, _Mapping]]] = ...) -> None: ...

class KeptCrop(_message.Message):
    __slots__ = ("plate", "vehicle")
    PLATE_FIELD_NUMBER: _ClassVar[int]
    VEHICLE_FIELD_NUMBER: _ClassVar[int]
    plate: bytes
    vehicle: bytes
    def __init__(self, plate: _Optional[bytes] = ..., vehicle: _Optional[bytes] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("subject", "data", "reason")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    subject: str
    data: bytes
    reason: str
    def __init__(self, subject: _Optional[str] = ..., data: _Optional[bytes] = ..., reason: _Optional[str] = ...) -> None: ...
