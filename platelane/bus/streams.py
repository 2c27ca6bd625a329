"""What streams hold, read and changed by subject: records that are kept, counters, history.

Where a stream keeps one message a subject it is a key-value bucket; those are named `KV_<bucket>`, with the subjects
`$KV.<bucket>.>`, so that NATS' own tools show them as such.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.msg import Msg
from nats.js.api import Header, PubAck, StatusCode
from nats.js.errors import APIError, NotFoundError

from platelane.bus.client import Bus
from platelane.bus.connection import FULL
from platelane.bus.inbox import status
from platelane.errors import Fault, Overloaded

_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})


@dataclass(frozen=True, slots=True)
class Record:
    """A stored message; `sequence` is its number in the stream, `stored` when it came, unix seconds."""

    subject: str
    sequence: int
    stored: float
    data: bytes

    @property
    def key(self) -> str:
        """The last token of the subject."""
        return self.subject.rpartition(".")[2]


class Stream:
    """One stream. Every method raises EngineUnavailable where NATS does not answer in time."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self.name = name

    async def get(self, subject: str) -> Record | None:
        """The last message on a subject, as the stream's leader knows it."""
        try:
            answer = await self._api("MSG.GET", {"last_by_subj": subject})
        except NotFoundError:
            return None
        message = answer["message"]
        data = base64.b64decode(message.get("data", ""))
        return Record(message["subject"], int(message["seq"]), _unix(message["time"]), data)

    async def last(self, subject: str) -> tuple[list[Record], int]:
        """The last message of each matching subject, and the last sequence that the answering replica knows."""
        *found, end = await self._direct({"multi_last": [subject]})
        if status(end) == StatusCode.NO_MESSAGES:
            return [], 0
        return [_record(message) for message in found], int((end.headers or {})["Nats-UpTo-Sequence"])

    async def read(self, subject: str, start: int, limit: int) -> list[Record]:
        """Up to `limit` messages on matching subjects, in order, from sequence `start` on."""
        *found, _ = await self._direct({"seq": max(1, start), "next_by_subj": subject, "batch": limit})
        return [_record(message) for message in found]

    async def put(self, subject: str, data: bytes, expected: int | None = None) -> int | None:
        """Store a message; its sequence. None if the subject's last one is not number `expected` (0: none) any more.

        Raises:
            Overloaded: the stream is full.
        """
        headers: dict[str, str] = {Header.MSG_ID: secrets.token_hex(8)}
        if expected is not None:
            headers[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(expected)
        try:
            acknowledgement = await self._store(subject, data, headers)
        except APIError as error:
            if error.err_code in _WRONG_LAST_SEQUENCE:
                return None
            if error.err_code in FULL:
                raise Overloaded(f"The store is full: {error.description}.") from error
            raise Fault(f"NATS refuses to store {subject}: {error.description}") from error
        return acknowledgement.seq

    async def add(self, subject: str, amount: int) -> int:
        """Add to a counter, once; its new value. For streams of counters."""
        headers: dict[str, str] = {Header.MSG_ID: secrets.token_hex(8), Header.INCR: f"{amount:+d}"}
        acknowledgement = await self._store(subject, b"", headers)
        if acknowledgement.val is not None:
            return int(acknowledgement.val)
        record = await self.get(subject)  # a repeated request, whose first answer was lost
        return counter(record.data) if record else 0

    async def state(self) -> dict[str, Any] | None:
        """Numbers of messages and bytes, first and last sequence; None where there is no such stream."""
        try:
            answer = await self._api("INFO", {})
        except NotFoundError:
            return None
        state: dict[str, Any] = answer["state"]
        return state

    async def purge(self, **selection: object) -> int:
        """Remove what `selection` (`filter`, `keep`, `seq`) says, all if nothing; how many went."""
        try:
            return int((await self._api("PURGE", selection))["purged"])
        except NotFoundError:
            return 0

    async def _api(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        subject = f"$JS.API.STREAM.{what}.{self.name}"
        return await self._bus.connection.ask(subject, json.dumps(request).encode(), self._deadline())

    async def _store(self, subject: str, data: bytes, headers: dict[str, str]) -> PubAck:
        return PubAck.from_response(await self._bus.connection.ask(subject, data, self._deadline(), headers))

    async def _direct(self, request: dict[str, Any]) -> list[Msg]:
        """All answers, the last of which has a status."""

        async def ask(patience: float) -> list[Msg]:
            subject, data = f"$JS.API.DIRECT.GET.{self.name}", json.dumps(request).encode()
            return await self._bus.connection.inbox.gather(
                subject, data, None, patience, lambda answer: status(answer) is not None
            )

        return await self._bus.connection.persist(ask, self._deadline())

    def _deadline(self) -> float:
        return time.time() + self._bus.settings.deadline


def counter(data: bytes) -> int:
    """The value in a message of a counter."""
    return int(json.loads(data)["val"])


def _record(message: Msg) -> Record:
    headers = message.headers or {}
    return Record(
        headers["Nats-Subject"], int(headers["Nats-Sequence"]), _unix(headers["Nats-Time-Stamp"]), message.data
    )


def _unix(time_stamp: str) -> float:
    # nanoseconds, which Python 3.11 does not read
    seconds, _, fraction = time_stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}+00:00").timestamp() + float(f"0.{fraction or 0}")
