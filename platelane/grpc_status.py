"""Converts errors to a `google.rpc.Status` with details for gRPC, and back to the same error at the other end."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest as Violations
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from platelane.errors import (
    BadImage,
    BadRequest,
    DeadlineExceeded,
    EngineUnavailable,
    Fault,
    Forbidden,
    NotFound,
    Overloaded,
    PlatelaneError,
    RequestError,
    Throttled,
    Unavailable,
    UploadTooLarge,
)

ADMITTED: Final = "platelane-admitted"
"""Initial metadata of a stream whose requests the server accepts."""

DETAILS_KEY: Final = "grpc-status-details-bin"
"""Trailing metadata that holds the serialized status, by gRPC's convention."""
DOMAIN: Final = "platelane"

_CODES: Final[dict[type[PlatelaneError], grpc.StatusCode]] = {
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Throttled: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    PlatelaneError: grpc.StatusCode.INTERNAL,
}
_OF_REASON: Final[dict[str, type[PlatelaneError]]] = {
    "BAD_IMAGE": BadImage,
    "BAD_REQUEST": BadRequest,
    "FORBIDDEN": Forbidden,
    "NOT_FOUND": NotFound,
    "OVERLOADED": Overloaded,
    "ENGINE_UNAVAILABLE": EngineUnavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}
_OF_CODE: Final[dict[int, type[PlatelaneError]]] = {
    code.value[0]: kind
    for code, kind in (
        (grpc.StatusCode.INVALID_ARGUMENT, BadRequest),
        (grpc.StatusCode.UNAUTHENTICATED, Forbidden),
        (grpc.StatusCode.PERMISSION_DENIED, Forbidden),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.UNAVAILABLE, EngineUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    )
}


def code_of(error: PlatelaneError) -> grpc.StatusCode:
    """The status code for an error."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def to_status(error: PlatelaneError, code: grpc.StatusCode | None = None) -> Status:
    """The status for an error, with ErrorInfo, and with RetryInfo or BadRequest if they apply."""
    info = ErrorInfo(reason=_reason(error), domain=DOMAIN)
    details: list[ErrorInfo | RetryInfo | Violations] = [info]
    if isinstance(error, UploadTooLarge):
        info.metadata["limit"] = str(error.limit)
    if isinstance(error, BadImage | UploadTooLarge):
        details.append(Violations(field_violations=[{"field": "image", "description": error.detail}]))
    if isinstance(error, Throttled | Unavailable):
        details.append(RetryInfo(retry_delay=Duration(seconds=error.retry_after)))
    status = Status(code=(code or code_of(error)).value[0], message=error.detail)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def from_status(status: Status) -> PlatelaneError:
    """The error for a status; for one that is not ours, such as a proxy's, only its code counts."""
    info, retry = ErrorInfo(), RetryInfo(retry_delay=Duration(seconds=1))
    for detail in status.details:
        for known in (info, retry):
            detail.Unpack(known)
    if info.domain == DOMAIN and info.reason == "UPLOAD_TOO_LARGE":
        return UploadTooLarge(int(info.metadata["limit"]))
    retry_after = math.ceil(retry.retry_delay.ToTimedelta().total_seconds())
    if info.domain == DOMAIN and info.reason == "THROTTLED":
        return Throttled(retry_after)
    kind = _OF_REASON.get(info.reason) if info.domain == DOMAIN else None
    kind = kind or _OF_CODE.get(status.code, Fault)
    return kind(status.message, retry_after) if issubclass(kind, Unavailable) else kind(status.message)


def from_call(error: grpc.aio.AioRpcError) -> PlatelaneError:
    """The error for a failed call."""
    trailers: Any = error.trailing_metadata() or ()
    details = next((value for key, value in trailers if key == DETAILS_KEY), b"")
    try:
        status = Status.FromString(details if isinstance(details, bytes) else b"")
    except DecodeError:
        status = Status()
    if status.code != error.code().value[0]:
        status = Status(code=error.code().value[0], message=error.details() or error.code().name)
    return from_status(status)


def _reason(error: PlatelaneError) -> str:
    """`BadImage` -> `BAD_IMAGE`"""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
