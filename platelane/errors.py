"""Every error Platelane raises, sorted by what a caller can do about it.

PlatelaneError
├── RequestError            change the request
│   ├── BadRequest              400  a field or the config cannot be understood
│   │   └── ForbiddenAddress         a host that callers may not name
│   ├── BadImage                400  no image, or one that cannot be decoded
│   ├── Forbidden               403  wrong token, or out of credits
│   ├── NotFound                404
│   ├── TooSlow                 408  the request does not arrive in time, or fast enough
│   ├── UploadTooLarge          413  more bytes than the server accepts
│   ├── KeyReused               422  another request had this Idempotency-Key
│   ├── UnsupportedEncoding     415  a Content-Encoding other than those in `accepted`
│   └── Throttled               429  too many calls: try again after `retry_after`
├── Unavailable             503  send the same request again after `retry_after`
│   ├── Overloaded              queues are full
│   ├── EngineUnavailable       NATS or Triton cannot be reached
│   └── DeadlineExceeded        the answer was not ready in time
└── Fault                   500  tell the operator
    ├── CannotStart             a program that Platelane runs does not start on this machine
    ├── ModelMismatch           a served model's inputs or outputs are not what the code expects
    └── Undecodable             a message on the bus is not of the type that its subject implies
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class PlatelaneError(Exception):
    """Base of all errors; `detail` is for the caller to read."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RequestError(PlatelaneError):
    """The request cannot be served as it is."""

    status = 400


class BadRequest(RequestError):
    """A field or the config cannot be understood."""


class ForbiddenAddress(BadRequest):
    """A host has an address that is not public, but only public ones are allowed."""

    def __init__(self) -> None:
        super().__init__("The host has an address that this server may not connect to.")


class BadImage(RequestError):
    """There is no image, or it cannot be decoded."""


class Forbidden(RequestError):
    """The token is wrong, or its credits are used up."""

    status = 403


class NotFound(RequestError):
    """No such path or thing."""

    status = 404


class TooSlow(RequestError):
    """The request does not arrive in time, or fast enough."""

    status = 408


class UploadTooLarge(RequestError):
    """More bytes than `limit`."""

    status = 413

    def __init__(self, limit: int, what: str = "upload") -> None:
        super().__init__(f"The {what} is larger than the limit of {limit} bytes.")
        self.limit = limit


class UnsupportedEncoding(RequestError):
    """The body is compressed in a way that is not in `accepted`."""

    status = 415

    def __init__(self, encoding: str, accepted: Sequence[str]) -> None:
        names = " and ".join(accepted)
        super().__init__(f"Content-Encoding {encoding[:40]!r} is not supported; {names} are, and none at all.")
        self.accepted = accepted


class KeyReused(RequestError):
    """Another request was sent with this Idempotency-Key."""

    status = 422

    def __init__(self) -> None:
        super().__init__("Another request was sent with this Idempotency-Key: use a new one.")


class Throttled(RequestError):
    """Too many calls; the next one is allowed after `retry_after` seconds."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        unit = "second" if retry_after == 1 else "seconds"
        super().__init__(f"Request was throttled. Expected available in {retry_after} {unit}.")
        self.retry_after = retry_after


class Unavailable(PlatelaneError):
    """The same request may succeed after `retry_after` seconds."""

    status = 503

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """A queue is full."""


class EngineUnavailable(Unavailable):
    """NATS or Triton cannot be reached, or does not serve a model."""


class DeadlineExceeded(Unavailable):
    """The answer was not ready in time."""


class Fault(PlatelaneError):
    """A problem on our side that a caller cannot fix."""


class CannotStart(Fault):
    """A program that Platelane runs does not start on this machine."""


class ModelMismatch(Fault):
    """A served model's inputs or outputs are not what the code expects."""


class Undecodable(Fault):
    """A message that is not of the type that its subject implies."""
