from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio

from platelane import telemetry
from platelane.hooks.payload import Payload
from platelane.hooks.post import Poster
from platelane.settings import Settings


async def post() -> None:
    async with Poster(1.0) as poster:
        await poster.post("http://user:secret@127.0.0.1:1/x?token=hidden", Payload(b"", {}))


telemetry.configure("test", Settings(log_level="debug"))
asyncio.run(post())
"""


def test_no_log_line_has_the_secrets_of_a_target() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert "secret" not in ran.stdout + ran.stderr
    assert "hidden" not in ran.stdout + ran.stderr
