"""`platelane dead`, against a real nats-server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.worker import bury
from platelane.pb.v1.stages_pb2 import DeadLetter, Delivery, Job, JobContext, PlateCrops, Result
from platelane.runtime.settings import Settings
from tests.support import running, stored


async def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PLATELANE_NATS_URL": settings.nats_url, "COLUMNS": "200"}
    program = [sys.executable, "-m", "platelane.cli", "dead", *arguments]
    return await asyncio.to_thread(subprocess.run, program, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
async def letters(bus: Bus) -> None:
    """A job (1) and crops (2) whose deadline has passed long ago, and an event of a webhook (3)."""
    context = JobContext(
        id="0" * 32, camera_id="gate", account="everybody", deadline_us=1, reply_subject="_INBOX.gone", filename="a.jpg"
    )
    messages = [
        (topology.JOBS, subjects.DETECT, Job(context=context, image=b"picture")),
        (topology.CROPS, subjects.PLATE_CROPS, PlateCrops(context=context)),
        ("HOOK_1", subjects.delivery(1, "3"), Delivery(result=Result(account="me"))),
    ]
    for number, (stream, subject, message) in enumerate(messages):
        letter = DeadLetter(subject=subject, data=message.SerializeToString(), reason=f"reason {number + 1}")
        await bury(bus, stream, f"{stream}.{number}", letter)


@pytest.mark.usefixtures("letters")
async def test_what_was_given_up_is_listed_and_shown(settings: Settings, tmp_path: Path) -> None:
    listed = (await command(settings, "list")).stdout
    assert all(word in listed for word in ("JOBS", "CROPS", "HOOK_1", "gate", "reason 3", "0" * 32))
    only = (await command(settings, "list", "--stream", "HOOK_1")).stdout
    assert "reason 3" in only
    assert "reason 1" not in only
    shown = (await command(settings, "show", "1", "--out", str(tmp_path / "a.jpg"))).stdout
    assert "Camera:     gate" in shown
    assert "Reason:     reason 1" in shown
    assert (tmp_path / "a.jpg").read_bytes() == b"picture"


@pytest.mark.usefixtures("letters")
async def test_a_job_is_replayed_with_time_to_be_read(bus: Bus, settings: Settings) -> None:
    seen: asyncio.Queue[Job] = asyncio.Queue()

    async def handler(job: Job, _info: MessageInfo) -> None:
        seen.put_nowait(job)

    done = await command(settings, "replay", "1")
    assert done.stdout == "Replayed 1.\n", done.stderr
    async with running(Worker(bus, topology.DETECTOR, Job, handler, 1).run), asyncio.timeout(20):
        job = await seen.get()
    assert (job.image, job.context.camera_id) == (b"picture", "gate")
    assert job.context.deadline_us / 1e6 > time.time() + 200
    assert job.context.reply_subject == subjects.outcome("everybody", "0" * 32)
    assert await stored(bus, topology.DEAD) == 2


@pytest.mark.usefixtures("letters")
async def test_what_cannot_be_replayed_stays(bus: Bus, settings: Settings) -> None:
    refused = await command(settings, "replay", "2")
    assert refused.returncode == 1
    assert "send the photo again" in refused.stderr
    assert await stored(bus, topology.DEAD) == 3


@pytest.mark.usefixtures("letters")
async def test_letters_are_dropped(bus: Bus, settings: Settings) -> None:
    assert (await command(settings, "drop", "--all", "--stream", "CROPS")).stdout == "Dropped 1.\n"
    assert (await command(settings, "drop", "1", "3")).stdout == "Dropped 2.\n"
    assert await stored(bus, topology.DEAD) == 0
    missing = await command(settings, "show", "1")
    assert missing.returncode == 1
    assert "no dead letter with the number 1" in missing.stderr
    neither = await command(settings, "drop")
    assert neither.returncode == 1
    assert "--all" in neither.stderr


async def test_it_explains_itself_and_says_where_it_looked(settings: Settings) -> None:
    for arguments in ((), ("list",), ("show",), ("replay",), ("drop",)):
        assert "Usage:" in (await command(settings, *arguments, "--help")).stdout
    away = await command(settings.model_copy(update={"nats_url": "nats://127.0.0.1:1"}), "list")
    assert away.returncode == 1
    assert "127.0.0.1:1" in away.stderr
