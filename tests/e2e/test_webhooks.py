"""Webhooks of the running system: a photograph goes in, events with or without it come out; managed by the command."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.receiver import Received, receiving
from tests.support import eventually

from .conftest import Stack

PATIENCE = 30.0
ORIENTATION = 0x0112


def hooks(stack: Stack, *arguments: str) -> Any:
    """What `platelane hooks ...` prints."""
    command = [sys.executable, "-m", "platelane.cli", "hooks", *arguments, "--url", stack.base_url]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) if result.stdout.startswith("{") else result.stdout


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(stack.wait_until_all_ready)
    async with httpx.AsyncClient(base_url=stack.base_url, trust_env=False, timeout=PATIENCE) as client:
        yield client
        for hook in (await client.get("/v1/webhooks/")).json()["results"]:
            await client.delete(f"/v1/webhooks/{hook['id']}/")


async def read(client: httpx.AsyncClient, photo: bytes, camera: str) -> dict[str, Any]:
    fields = {"camera_id": camera, "mmc": "true"}
    response = await client.post("/v1/plate-reader/", files={"upload": ("gate.jpg", photo)}, data=fields)
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def parts(got: Received) -> dict[str, Message]:
    head = f"Content-Type: {got.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + got.body)
    return {str(part.get_param("name", header="content-disposition")): part for part in message.iter_parts()}


def content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


async def test_event_says_what_the_answer_said(stack: Stack, client: httpx.AsyncClient, photo: Path) -> None:
    async with receiving() as receiver:
        made = await asyncio.to_thread(hooks, stack, "create", receiver.url, "--with-plate", "--camera", "hook camera")
        assert (await asyncio.to_thread(hooks, stack, "test", str(made["id"])))["delivered"] is True
        await read(client, photo.read_bytes(), "another camera")
        answer = await read(client, photo.read_bytes(), "hook camera")
        trial, event = await receiver.wait(2, PATIENCE)
        shown = await asyncio.to_thread(hooks, stack, "show", str(made["id"]))
        await asyncio.to_thread(hooks, stack, "delete", str(made["id"]))

    data = event.document["data"]
    assert trial.document["hook"]["test"] is True
    assert data["results"] == answer["results"]
    assert data["results"][0]["plate"]
    assert data["camera_id"] == "hook camera"
    assert data["timestamp"] == answer["timestamp"].replace(" ", "T") + "Z"
    assert shown["state"]["last_failures"] == []


async def test_picture_is_sent_upright(stack: Stack, client: httpx.AsyncClient, photo: Path) -> None:
    """A camera that lies on its side: what is sent is the picture that the boxes were measured in."""
    with Image.open(photo) as image:
        size, turned = image.size, image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    encoded = io.BytesIO()
    turned.save(encoded, "JPEG", exif=exif, quality=95)
    async with receiving() as receiver:
        await asyncio.to_thread(hooks, stack, "create", receiver.url, "--format", "multipart")
        await read(client, photo.read_bytes(), "upright")
        await read(client, encoded.getvalue(), "turned")
        found = {}
        for got in await receiver.wait(2, PATIENCE):
            form = parts(got)
            found[json.loads(content(form["json"]))["data"]["camera_id"]] = form

    assert content(found["upright"]["upload"]) == photo.read_bytes()
    data = json.loads(content(found["turned"]["json"]))["data"]
    with Image.open(io.BytesIO(content(found["turned"]["upload"]))) as sent:
        assert sent.size == size == (data["image_width"], data["image_height"])
        assert sent.getexif().get(ORIENTATION, 1) == 1


async def test_events_of_the_api_are_streamed_and_kept(client: httpx.AsyncClient, photo: Path) -> None:
    camera = {"camera_id": "streamed"}
    async with client.stream("GET", "/v1/events/", params=camera) as response:
        lines = response.aiter_lines()
        await anext(lines)
        answer = await read(client, photo.read_bytes(), "streamed")
        async for line in lines:
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                break
    plate = answer["results"][0]["plate"]
    assert event["results"] == answer["results"]

    async def kept() -> bool:
        found = await client.get("/v1/results/", params=camera | {"plate": plate[:2]})
        return bool(found.json()["results"] == [event])

    await eventually(kept)


@pytest.mark.parametrize("victim", ["aggregator", "webhook_svc", "nats-server", "gateway"])
async def test_killed_processes_lose_no_event(
    stack: Stack, client: httpx.AsyncClient, photo: Path, victim: str
) -> None:
    async with receiving() as receiver:
        await asyncio.to_thread(hooks, stack, "create", receiver.url)
        answered = set()
        for number in range(12):
            if number == 4:
                pid = stack.kill(victim)
            try:
                await read(client, photo.read_bytes(), f"{victim} {number}")
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
            else:
                answered.add(f"{victim} {number}")
        await asyncio.to_thread(stack.wait_until_ready, victim, pid)
        arrived: set[str] = set()
        for _ in range(100):
            arrived = {got.document["data"]["camera_id"] for got in receiver.received}
            if answered <= arrived:
                break
            await asyncio.sleep(0.2)

    assert answered
    assert answered - arrived == set()
