"""Mails the owner of a hook that was disabled, if PLATELANE_SMTP_URL names a server."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import structlog

from platelane.runtime.settings import Settings
from platelane.webhooks.health import HookHealth
from platelane.webhooks.hook import Hook

log = structlog.get_logger(__name__)

_TIMEOUT: Final = 20.0


class Mailer:
    """Sends mails through the server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.smtp_url.get_secret_value()
        self._sender = settings.mail_from
        self._receiver = settings.mail_to

    async def notify(self, hook: Hook, health: HookHealth) -> None:
        """Tell the hook's owner that it was disabled. A mail that cannot be sent is only logged."""
        receiver = hook.mail or self._receiver
        if not self._url or not receiver:
            return
        try:
            await asyncio.to_thread(_send, self._url, notice(hook, health, self._sender, receiver))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            log.error("mail_not_sent", hook=hook.id, error=str(error))


def notice(hook: Hook, health: HookHealth, sender: str, receiver: str) -> EmailMessage:
    """The mail about a disabled hook."""
    message = EmailMessage()
    message["Subject"] = f"Webhook {hook.id} was disabled"
    message["From"], message["To"] = sender, receiver
    answers = "\n".join(f"  {each.at:%Y-%m-%d %H:%M:%S} UTC  {each}" for each in reversed(health.responses))
    message.set_content(
        f"Webhook {hook.id} to {hook.site} was disabled.\n\n{hook.disabled_reason}\n\n"
        f"The last answers:\n{answers}\n\n"
        f"Events still queue up, as far as its queue has room. To enable it:  platelane hooks enable {hook.id}\n"
    )
    return message


def _send(url: str, message: EmailMessage) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("PLATELANE_SMTP_URL must be smtp://host or smtps://host")
    context = ssl.create_default_context()
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(parts.hostname, parts.port or 465, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(parts.hostname, parts.port or 587, timeout=_TIMEOUT)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
