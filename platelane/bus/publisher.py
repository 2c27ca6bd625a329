"""What handlers need from the bus to publish their results."""

from __future__ import annotations

from typing import Protocol

from google.protobuf.message import Message

from platelane.pb.v1.stages_pb2 import JobContext


class JobMessage(Protocol):
    """A protobuf message whose first field is its job's context."""

    @property
    def context(self) -> JobContext: ...
    def SerializeToString(self) -> bytes: ...  # noqa: N802


class Publisher(Protocol):
    """Stores the messages of jobs; `Bus` is one."""

    async def publish_job_message(self, subject: str, message: JobMessage, step: str = "") -> bool:
        """As `Bus.publish_job_message`."""
        ...


class Replier(Protocol):
    """Stores messages in the streams of their subjects, and sends plain ones; `Bus` is one."""

    async def publish(self, subject: str, message: Message, message_id: str, deadline: float | None = None) -> bool:
        """As `Bus.publish`."""
        ...

    async def send(self, subject: str, message: Message) -> None:
        """As `Bus.send`."""
        ...
