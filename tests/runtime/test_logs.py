from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio

from platelane.runtime import logs
from platelane.webhooks.payload import Payload
from platelane.webhooks.http_client import WebhookClient
from platelane.runtime.settings import Settings


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n")
    writer.close()


async def post() -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server, WebhookClient(5.0) as poster:
        port = server.sockets[0].getsockname()[1]
        response = await poster.post(f"http://user:secret@127.0.0.1:{port}/x?token=hidden", Payload(b"", {}))
        assert response.status == 204, response


logs.configure("test", Settings(log_level="debug"))
asyncio.run(post())
"""


def test_no_log_line_has_the_secrets_of_a_target() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert "secret" not in ran.stdout + ran.stderr
    assert "hidden" not in ran.stdout + ran.stderr
