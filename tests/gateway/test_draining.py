"""A gateway that stops announces it first: load balancers notice, and no request on a kept connection is lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.conftest import SLOW_CAMERA, Gateway, NatsServer, running_gateway
from tests.support import free_port

DRAIN = 2.0


@pytest.fixture(scope="module")
def health_port() -> int:
    return free_port()


@pytest.fixture
def gateway(served: NatsServer, health_port: int) -> Iterator[Gateway]:
    with running_gateway(served, drain=DRAIN, health_port=health_port) as gateway:
        yield gateway


def read(client: httpx.Client, picture: bytes, camera: str = "") -> httpx.Response:
    return client.post("/v1/plate-reader/", files={"upload": ("a.jpg", picture)}, data={"camera_id": camera})


def test_a_stopping_gateway_still_answers_and_sends_everybody_away(
    gateway: Gateway, picture: bytes, health_port: int
) -> None:
    with gateway.client() as kept:
        assert "connection" not in read(kept, picture).headers
        gateway.process.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        ready = f"http://127.0.0.1:{health_port}/readyz"
        while httpx.get(ready, trust_env=False).status_code == 200:
            assert time.monotonic() - stopped < DRAIN / 2, "balancers do not get to know"
        late = read(kept, picture)
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        with gateway.client() as new:
            slow = read(new, picture, SLOW_CAMERA)
        assert (slow.status_code, slow.headers["connection"]) == (200, "close")
    assert gateway.process.wait(20) == 0
    assert time.monotonic() - stopped >= DRAIN
