from google.rpc import status_pb2 as _status_pb2
from platelane.pb.v1 import domain_pb2 as _domain_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecognizeRequest(_message.Message):
    __slots__ = ("request_id", "image", "options", "camera_id", "filename", "timestamp_us", "idempotency_key")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CAMERA_ID_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    image: bytes
    options: _domain_pb2.Options
    camera_id: str
    filename: str
    timestamp_us: int
    idempotency_key: str
    def __init__(self, request_id: _Optional[str] = ..., image: _Optional[bytes] = ..., options: _Optional[_Union[_domain_pb2.Options, _Mapping]] = ..., camera_id: _Optional[str] = ..., filename: _Optional[str] = ..., timestamp_us: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("request_id", "recognition", "error", "calls")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    recognition: _domain_pb2.Recognition
    error: _status_pb2.Status
    calls: int
    def __init__(self, request_id: _Optional[str] = ..., recognition: _Optional[_Union[_domain_pb2.Recognition, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., calls: _Optional[int] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("camera_ids",)
    CAMERA_IDS_FIELD_NUMBER: _ClassVar[int]
    camera_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, camera_ids: _Optional[_Iterable[str]] = ...) -> None: ...
