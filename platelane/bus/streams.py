"""Reads and writes the messages of streams by subject: records, counters, history.

A stream that keeps one message per subject is a key-value bucket. Those are named `KV_<bucket>`, with the subjects
`$KV.<bucket>.>`, so NATS' own tools show them as buckets.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import Header, PubAck, StatusCode
from nats.js.errors import APIError, NotFoundError

from platelane import times
from platelane.bus.connection import FULL, Connection
from platelane.bus.inbox import status
from platelane.errors import Fault, Overloaded

_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
_TOO_MANY: Final = "413"
"""The status if more messages match than the server sends at once."""
_GONE: Final = 10043
"""JetStream's error code if a message has already been deleted."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored message; `sequence` is its number in the stream, `stored` when it was stored, in unix seconds."""

    subject: str
    sequence: int
    stored: float
    data: bytes

    @property
    def key(self) -> str:
        """The last token of the subject."""
        return self.subject.rpartition(".")[2]


class Stream:
    """One stream. Every method raises EngineUnavailable if NATS does not answer within `patience` seconds."""

    def __init__(self, connection: Connection, name: str, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self.name = name

    async def get(self, subject: str) -> Record | None:
        """The last message on a subject, as the stream's leader knows it."""
        try:
            answer = await self._api("MSG.GET", {"last_by_subj": subject})
        except NotFoundError:
            return None
        message = answer["message"]
        data = base64.b64decode(message.get("data", ""))
        return Record(message["subject"], int(message["seq"]), times.parse(message["time"]).timestamp(), data)

    async def last(self, subject: str, at_least: int = 0) -> tuple[list[Record], int]:
        """The last message of each matching subject, and the last sequence that the answering replica knows.

        If the replica has not reached sequence `at_least` yet, the request is repeated, unless that message has been
        removed.

        Raises:
            Overloaded: more than 1,024 subjects match.
        """

        async def read(patience: float) -> tuple[list[Record], int]:
            *found, end = await self._direct_once({"multi_last": [subject]}, patience)
            if status(end) == _TOO_MANY:
                raise Overloaded("NATS has more matching messages than it returns at once.")
            if status(end) == StatusCode.NO_MESSAGES:
                records, known = [], 0
            else:
                records = [_record(message) for message in found]
                known = int((end.headers or {})["Nats-UpTo-Sequence"])
            if known < at_least and (records or await self._is_stored(at_least, patience)):
                raise _Lagging
            return records, known

        return await self._connection.persist(read, self._deadline())

    async def first_since(self, moment: float) -> int | None:
        """The sequence of the first message that was stored at `moment` (unix seconds) or later."""
        try:
            answer = await self._api("MSG.GET", {"start_time": times.utc(moment), "next_by_subj": ">"})
        except NotFoundError:
            return None
        return int(answer["message"]["seq"])

    async def first_on(self, subject: str, moment: float) -> Record | None:
        """The first message on a matching subject that was stored at `moment` (unix seconds) or later."""
        found = await self._direct({"start_time": times.utc(moment), "next_by_subj": subject, "batch": 1})
        return _record(found[0]) if len(found) > 1 else None

    async def read(self, subject: str, start: int, limit: int) -> list[Record]:
        """Up to `limit` messages on matching subjects, in order, from sequence `start` on."""
        *found, _ = await self._direct({"seq": max(1, start), "next_by_subj": subject, "batch": limit})
        return [_record(message) for message in found]

    async def put(
        self, subject: str, data: bytes, expected: int | None = None, headers: dict[str, str] | None = None
    ) -> int | None:
        """Store a message and return its sequence. None if `expected` (0: none) is no longer the subject's last one.

        Raises:
            Overloaded: the stream is full.
        """
        sent: dict[str, str] = {Header.MSG_ID: secrets.token_hex(8), **(headers or {})}
        if expected is not None:
            sent[Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(expected)
        try:
            answer = await self._connection.ask(subject, data, self._deadline(), sent)
        except APIError as error:
            if error.err_code in _WRONG_LAST_SEQUENCE:
                return None
            raise refusal(subject, error) from error
        return PubAck.from_response(answer).seq

    async def add(self, subject: str, amount: int, message_id: str = "") -> int:
        """Add to a counter and return its new value; each `message_id` counts once within the stream's window.

        Raises:
            Overloaded: the stream is full.
        """
        headers: dict[str, str] = {Header.MSG_ID: message_id or secrets.token_hex(8), Header.INCR: f"{amount:+d}"}
        try:
            answer = await self._connection.ask(subject, b"", self._deadline(), headers)
        except APIError as error:
            raise refusal(subject, error) from error
        acknowledgement = PubAck.from_response(answer)
        if acknowledgement.val is not None:
            return int(acknowledgement.val)
        return await self.value(subject)  # it was counted before, and the server does not repeat the value

    async def value(self, subject: str) -> int:
        """The value of a counter."""
        record = await self.get(subject)
        return counter(record.data) if record else 0

    async def delete(self, sequence: int) -> None:
        """Remove one message; nothing happens if it is gone already."""
        try:
            await self._api("MSG.DELETE", {"seq": sequence})
        except NotFoundError:
            return
        except APIError as error:
            if error.err_code != _GONE:
                raise

    async def state(self, subject: str = "") -> dict[str, Any] | None:
        """Numbers of messages and bytes, first and last sequence; None if there is no such stream.

        With `subject`, `subjects` holds the number of messages of each matching one, 100,000 at most.
        """
        info = await self.info(subject)
        state: dict[str, Any] | None = info["state"] if info else None
        return state

    async def info(self, subject: str = "") -> dict[str, Any] | None:
        """When it was `created`, its `config`, and its `state` as above; None if there is no such stream."""
        try:
            return await self._api("INFO", {"subjects_filter": subject} if subject else {})
        except NotFoundError:
            return None

    async def purge(self, **selection: object) -> int:
        """Remove the messages of `selection` (`filter`, `keep`, `seq`), by default all; returns how many."""
        try:
            return int((await self._api("PURGE", selection))["purged"])
        except NotFoundError:
            return 0

    async def _api(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        subject = f"$JS.API.STREAM.{what}.{self.name}"
        return await self._connection.ask(subject, json.dumps(request).encode(), self._deadline())

    async def _direct(self, request: dict[str, Any]) -> list[Msg]:
        return await self._connection.persist(lambda patience: self._direct_once(request, patience), self._deadline())

    async def _direct_once(self, request: dict[str, Any], patience: float) -> list[Msg]:
        """All answers; the last one is only a status."""
        subject, data = f"$JS.API.DIRECT.GET.{self.name}", json.dumps(request).encode()
        return await self._connection.inbox.gather(
            subject, data, None, patience, lambda answer: status(answer) is not None
        )

    async def _is_stored(self, sequence: int, patience: float) -> bool:
        """Whether the leader has the message; a replica may lag behind."""
        request = json.dumps({"seq": sequence}).encode()
        try:
            await self._connection.ask_once(f"$JS.API.STREAM.MSG.GET.{self.name}", request, patience)
        except NotFoundError:
            return False
        return True

    def _deadline(self) -> float:
        return time.time() + self._patience


class _Lagging(NatsError):
    """The replica that answered does not have the newest messages yet."""


def refusal(subject: str, error: APIError) -> Overloaded | Fault:
    """The error to raise if the server does not store a message."""
    if error.err_code in FULL:
        return Overloaded(f"The queue is full: {error.description}.")
    return Fault(f"NATS refuses a message on {subject}: {error.description}")


def counter(data: bytes) -> int:
    """The value in a message of a counter."""
    return int(json.loads(data)["val"])


def _record(message: Msg) -> Record:
    headers = message.headers or {}
    stored = times.parse(headers["Nats-Time-Stamp"]).timestamp()
    return Record(headers["Nats-Subject"], int(headers["Nats-Sequence"]), stored, message.data)
