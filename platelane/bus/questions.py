"""The gateway's questions to the index of reads, and the answers. They are plain messages; nothing is stored."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import orjson
import structlog
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from platelane.bus import subjects
from platelane.bus.client import Bus
from platelane.errors import BadRequest, EngineUnavailable, Fault, NotFound, PlatelaneError
from platelane.pb.v1 import reads_pb2

log = structlog.get_logger(__name__)

PATIENCE: Final = 15.0
"""Seconds that an answer may take."""
AT_ONCE: Final = 64
"""Questions that one process answers at once; more are refused."""
_QUEUE: Final = "reads"
_ERRORS: Final[dict[int, type[PlatelaneError]]] = {400: BadRequest, 404: NotFound, 503: EngineUnavailable}


@contextlib.asynccontextmanager
async def answering(
    bus: Bus, answer: Callable[[reads_pb2.ReadsRequest], Awaitable[dict[str, Any]]]
) -> AsyncIterator[None]:
    """Answer questions until the block is left; the processes of the service share them."""
    tasks: set[asyncio.Task[None]] = set()

    async def reply(message: Msg) -> None:
        with contextlib.suppress(NatsError):
            await bus.client.publish(message.reply, (await _answered(message.data, answer)).SerializeToString())

    async def receive(message: Msg) -> None:
        if len(tasks) >= AT_ONCE:
            busy = reads_pb2.ReadsError(status=503, detail="The index of reads is busy.")
            await bus.client.publish(message.reply, reads_pb2.ReadsReply(error=busy).SerializeToString())
            return
        task = asyncio.create_task(reply(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    subscription = await bus.client.subscribe(subjects.READS, queue=_QUEUE, cb=receive)
    try:
        yield
    finally:
        with contextlib.suppress(NatsError):
            await subscription.unsubscribe()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)


async def ask(bus: Bus, question: reads_pb2.ReadsRequest, patience: float = PATIENCE) -> dict[str, Any]:
    """The answer to a question.

    Raises:
        BadRequest, NotFound: as the index says.
        EngineUnavailable: the index is not running, or does not answer in time.
    """
    data, deadline = question.SerializeToString(), time.time() + patience
    try:
        async with asyncio.timeout(patience):
            answer = await bus.connection.inbox.request(subjects.READS, data, None, deadline - time.time())
    except NoRespondersError as error:
        raise EngineUnavailable("The index of reads is not running.") from error
    except (NatsError, TimeoutError) as error:
        raise EngineUnavailable("The index of reads does not answer.") from error
    reply = reads_pb2.ReadsReply.FromString(answer.data)
    if reply.HasField("error"):
        raise _ERRORS.get(reply.error.status, Fault)(reply.error.detail)
    body: dict[str, Any] = orjson.loads(reply.json)
    return body


async def _answered(
    data: bytes, answer: Callable[[reads_pb2.ReadsRequest], Awaitable[dict[str, Any]]]
) -> reads_pb2.ReadsReply:
    try:
        return reads_pb2.ReadsReply(json=orjson.dumps(await answer(reads_pb2.ReadsRequest.FromString(data))))
    except PlatelaneError as error:
        return reads_pb2.ReadsReply(error=reads_pb2.ReadsError(status=error.status, detail=error.detail))
    except DecodeError:
        return reads_pb2.ReadsReply(error=reads_pb2.ReadsError(status=400, detail="The question cannot be decoded."))
    except Exception:
        log.exception("question_failed")
        return reads_pb2.ReadsReply(error=reads_pb2.ReadsError(status=500, detail="The question cannot be answered."))
