"""Errors are preserved over gRPC."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.status_pb2 import Status

from platelane.errors import (
    BadImage,
    BadRequest,
    DeadlineExceeded,
    EngineUnavailable,
    Fault,
    Forbidden,
    ModelMismatch,
    NotFound,
    Overloaded,
    PlatelaneError,
    Throttled,
    UploadTooLarge,
)
from platelane.grpc_status import code_of, from_status, to_status

ERRORS = [
    (BadRequest("x"), grpc.StatusCode.INVALID_ARGUMENT),
    (BadImage("žluť"), grpc.StatusCode.INVALID_ARGUMENT),
    (Forbidden("x"), grpc.StatusCode.PERMISSION_DENIED),
    (NotFound("x"), grpc.StatusCode.NOT_FOUND),
    (UploadTooLarge(77), grpc.StatusCode.INVALID_ARGUMENT),
    (Throttled(3), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Overloaded("x", 4), grpc.StatusCode.UNAVAILABLE),
    (EngineUnavailable("x"), grpc.StatusCode.UNAVAILABLE),
    (DeadlineExceeded("x"), grpc.StatusCode.DEADLINE_EXCEEDED),
    (Fault("x"), grpc.StatusCode.INTERNAL),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
def test_an_error_comes_back_as_it_was(error: PlatelaneError, code: grpc.StatusCode) -> None:
    assert code_of(error) == code
    received = from_status(Status.FromString(to_status(error).SerializeToString()))
    assert (type(received), vars(received)) == (type(error), vars(error))


def test_our_own_faults_are_all_one_to_a_caller() -> None:
    received = from_status(to_status(ModelMismatch("x")))
    assert (type(received), received.detail) == (Fault, "x")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_status_of_somebody_else_is_some_error_too(code: grpc.StatusCode) -> None:
    received = from_status(Status(code=code.value[0], message="by a proxy"))
    assert received.detail == "by a proxy"
    if code is grpc.StatusCode.UNAVAILABLE:
        assert type(received) is EngineUnavailable
