"""A stage without servers: it records what is published, and models give prepared answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from platelane.bus import MessageInfo
from platelane.bus.publisher import JobMessage
from platelane.pb.v1.stages_pb2 import JobContext
from platelane.vision import decoding
from platelane.vision.decoders import Decoded
from platelane.vision.model_specs import ModelSpec

Outputs = dict[str, NDArray[Any]]


def decode_here(data: bytes, _deadline: float) -> Decoded:
    """What decoder processes do, in this one."""
    return decoding.decode(data)


@dataclass
class Published:
    """A bus that keeps messages instead of sending them; an id that was stored before stores nothing."""

    messages: list[tuple[str, Message | JobMessage]] = field(default_factory=list)
    sent: list[tuple[str, Message]] = field(default_factory=list)
    deadlines: set[float | None] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)

    async def publish_job_message(self, subject: str, message: JobMessage, step: str = "") -> bool:
        deadline = message.context.deadline_us / 1e6
        return await self.publish(subject, message, f"{message.context.id}.{step}", deadline)

    async def publish(
        self, subject: str, message: Message | JobMessage, message_id: str, deadline: float | None = None
    ) -> bool:
        self.deadlines.add(deadline)
        if message_id in self._ids:
            return False
        self._ids.add(message_id)
        self.messages.append((subject, message))
        return True

    async def send(self, subject: str, message: Message) -> None:
        self.sent.append((subject, message))

    @property
    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.messages]


@dataclass
class Models:
    """Answers each model's calls by a function of the number of pictures."""

    answers: dict[str, Callable[[int], Outputs]]
    calls: list[tuple[str, int]] = field(default_factory=list)

    async def infer(self, spec: ModelSpec, images: Sequence[bytes] | NDArray[np.uint8], deadline: float) -> Outputs:
        assert deadline > 0
        self.calls.append((spec.name, len(images)))
        return self.answers[spec.name](len(images))


def context(job_id: str = "job", account: str = "account") -> JobContext:
    """Of a job that somebody waits for."""
    return JobContext(
        id=job_id,
        reply_subject="inbox",
        camera_id="gate",
        account=account,
        accepted_us=1,
        deadline_us=int((time.time() + 60) * 1e6),
    )


def info(subject: str = "platelane.jobs.detect", sequence: int = 1, attempt: int = 1) -> MessageInfo:
    """Of a message's delivery."""
    return MessageInfo(subject, sequence, attempt)
