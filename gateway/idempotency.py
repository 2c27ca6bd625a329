"""Idempotency-Key: repeating a request returns the first answer, and causes no second event or count."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.accounts import Account
from gateway.intake import Fields, Photograph
from gateway.jobs import Answer, JobClient, accepted_at, answer_of, new_job_id
from gateway.outcomes import Outcomes
from platelane.bus import Bus, subjects, topology
from platelane.errors import BadRequest, DeadlineExceeded, EngineUnavailable, Forbidden, KeyReused, Overloaded
from platelane.pb.v1 import stages_pb2
from platelane.runtime.clock import jumps
from platelane.runtime.settings import Settings

LONGEST_KEY: Final = 255
_TRIES: Final = 20
_CLOCK: Final = 0.001
"""Resolution, in seconds, of the acceptance time in a job's id."""
_LATE: Final = 1.0
"""Seconds after the deadline within which an answer that was begun before it may still come."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The key of a request. `digest` covers the endpoint, the picture and all options. `waited`: seconds it took to
    find out whether the key is known."""

    account: Account
    key: str
    digest: bytes
    waited: float = 0.0

    @property
    def subject(self) -> str:
        """The subject that it is stored under."""
        return _subject(self.account.id, self.key)


def checked_key(values: Sequence[str]) -> str | None:
    """The value of the Idempotency-Key headers; None if there are none.

    Raises:
        BadRequest: empty, too long, not printable ASCII, or more than one.
    """
    if not values:
        return None
    value = values[0]
    if any(other != value for other in values):
        raise BadRequest("The request has more than one Idempotency-Key.")
    if not 0 < len(value) <= LONGEST_KEY or not value.isascii() or not value.isprintable():
        raise BadRequest(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
    return value


def digest(endpoint: str, fields: Fields, photograph: Photograph) -> bytes:
    """SHA-256 of a request: the picture's bytes or address, and all options."""
    hashed = hashlib.sha256()
    timestamp = fields.timestamp_us if fields.timestamp_sent else 0
    image = fields.upload_url.encode("utf-8", "surrogatepass") if fields.upload_url else photograph.image
    texts = (endpoint, photograph.camera_id, photograph.filename, str(timestamp), str(fields.blur))
    options = fields.options.SerializeToString(deterministic=True)
    for part in (*(text.encode("utf-8", "surrogatepass") for text in texts), options, image):
        hashed.update(b"%d " % len(part))
        hashed.update(part)
    return hashed.digest()


class KeyedRequests:
    """The bucket of requests by account and key; the results of their jobs are in OUTCOMES."""

    def __init__(self, bus: Bus, jobs: JobClient, outcomes: Outcomes, settings: Settings) -> None:
        self._bucket = bus.stream(topology.KV_REQUESTS)
        self._jobs = jobs
        self._outcomes = outcomes
        self._deadline = settings.deadline
        self._async_deadline = settings.async_deadline

    async def is_known(self, account: str, key: str) -> bool:
        """Whether a request with this key has been accepted. Raises EngineUnavailable."""
        return await self._bucket.get(_subject(account, key)) is not None

    async def recognize(self, photograph: Photograph, request: RequestKey) -> Answer:
        """The answer to the first request with this key, which may be this one; waits for it if it is under way.

        Raises:
            KeyReused: the key was used for a different request.
            Others: as `JobClient.recognize`.
        """
        patience = self._deadline - photograph.waited - request.waited
        end, begun, timing = time.monotonic() + patience, time.time(), self._jobs.admission.timing(photograph)
        job = await self._begun(photograph, request, patience, patience)
        del photograph
        until = min(_deadline(job), time.time() + end - time.monotonic())
        reply = await self._outcomes.wait(request.account.id, job.job_id, until)
        is_first = accepted_at(job.job_id) >= begun - _CLOCK
        if reply is None:
            if is_first:
                timing.too_late()
            raise DeadlineExceeded(f"The answer was not ready within {self._deadline:g} seconds.")
        answer = answer_of(reply)
        if is_first:  # a repetition did not wait for the whole time
            timing.answered()
        return answer

    async def submit(self, photograph: Photograph, request: RequestKey) -> str:
        """The id of the job of the first request with this key; does not wait for it. Raises as `recognize`."""
        patience = self._deadline - request.waited
        return (await self._begun(photograph, request, self._async_deadline, patience, bulk=True)).job_id

    async def _begun(
        self, photograph: Photograph, request: RequestKey, seconds: float, patience: float, *, bulk: bool = False
    ) -> stages_pb2.KeyedRequest:
        return await self._jobs.admission.finish(self._begin(photograph, request, seconds, bulk), patience)

    async def _begin(
        self, photograph: Photograph, request: RequestKey, seconds: float, bulk: bool
    ) -> stages_pb2.KeyedRequest:
        """The record of the first request with this key; starts a job unless one may still be answered."""
        for _ in range(_TRIES):
            record = await self._bucket.get(request.subject)
            if record:
                known = stages_pb2.KeyedRequest.FromString(record.data)
                if known.digest != request.digest:
                    raise KeyReused
                if not await self._should_retry(request.account.id, known):
                    return known
            now = time.time()
            new = stages_pb2.KeyedRequest(
                job_id=new_job_id(now), digest=request.digest, deadline_us=round((now + seconds) * 1e6)
            )
            data = new.SerializeToString()
            sequence = await self._bucket.put(request.subject, data, record.sequence if record else 0)
            if sequence is None:
                continue  # another request with this key was faster
            try:
                await self._jobs.begin(photograph, request.account, new.job_id, now, seconds, bulk=bulk)
            except (Forbidden, Overloaded):  # after other errors, the job may have been sent
                await self._bucket.delete(sequence)
                raise
            return new
        raise EngineUnavailable("Too many requests with this Idempotency-Key arrive at once.")

    async def _should_retry(self, account: str, known: stages_pb2.KeyedRequest) -> bool:
        """Whether the job failed in a way that a repetition may fix, or ended without an outcome."""
        reply = await self._outcomes.of(account, known.job_id)
        if reply and reply.HasField("failure"):
            return reply.failure.kind == stages_pb2.FAILURE_KIND_UNAVAILABLE
        return not (reply and reply.HasField("recognition")) and time.time() > _deadline(known) + _LATE


def _deadline(known: stages_pb2.KeyedRequest) -> float:
    """The deadline on the current clock, as the job's workers compute it."""
    return known.deadline_us / 1e6 + jumps.since(accepted_at(known.job_id))


def _subject(account: str, key: str) -> str:
    return subjects.entry(topology.REQUESTS, f"{subjects.encode(account)}.{hashlib.sha256(key.encode()).hexdigest()}")
