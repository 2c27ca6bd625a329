"""Settings with small waits, so that retries can be watched."""

from __future__ import annotations

import pytest

from platelane.runtime.settings import Settings
from tests.support import NatsServer
from webhook_svc import health_tracker


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    return Settings(nats_url=server.url, ack_wait=0.5, webhook_timeout=1.0, webhook_retry_limit=0.2, deadline=60)


@pytest.fixture(autouse=True)
def _health_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_tracker, "WRITE_EVERY", 0.1)
