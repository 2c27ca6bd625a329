from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

from pydantic import SecretStr

from platelane.runtime.settings import Settings
from platelane.webhooks.health import HookHealth
from platelane.webhooks.hook import Hook
from platelane.webhooks.response import Response
from webhook_svc.mail import Mailer

RESPONSE = Response(at=datetime(2026, 1, 1, tzinfo=UTC), status=500, seconds=0.1, detail="database is down")
HEALTH = HookHealth(failing_since=RESPONSE.at, failures=1, responses=(RESPONSE,))


def hook(mail: str = "") -> Hook:
    return Hook(
        id=3, target="http://u:p@a.example/hook/s3cret", mail=mail, enabled=False, disabled_reason="All failed."
    )


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[Settings, list[bytes]]]:
    """As much of SMTP as a client that sends one mail needs."""
    mails: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line[:4].upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                mails.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 test\r\n")
            if command == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield Settings(smtp_url=SecretStr(url), mail_from="us@a.example", mail_to="all@a.example"), mails


async def test_owner_is_told() -> None:
    async with mail_server() as (settings, mails):
        await Mailer(settings).notify(hook("me@a.example"), HEALTH)
        await Mailer(settings).notify(hook(), HEALTH)
    first, second = (message_from_bytes(mail, policy=default) for mail in mails)
    assert (first["To"], second["To"], first["From"]) == ("me@a.example", "all@a.example", "us@a.example")
    text = first.get_content()
    assert "All failed." in text
    assert "2026-01-01 00:00:00 UTC  HTTP 500: database is down" in text
    assert "Webhook 3 to http://a.example was disabled." in text
    assert "u:p" not in text
    assert "s3cret" not in text


async def test_off_by_default() -> None:
    async with mail_server() as (settings, mails):
        await Mailer(Settings()).notify(hook("me@a.example"), HEALTH)
        await Mailer(settings.model_copy(update={"mail_to": ""})).notify(hook(), HEALTH)
    assert mails == []


async def test_mail_that_cannot_be_sent_hurts_nobody() -> None:
    for url in ("smtp://127.0.0.1:1", "http://a.example", "smtp://"):
        await Mailer(Settings(smtp_url=SecretStr(url))).notify(hook("me@a.example"), HEALTH)
