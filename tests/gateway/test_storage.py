"""A NATS that is reachable but does not store photographs."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx

from tests.support import free_port, wait_until

from .conftest import running_gateway, running_nats

PATH = "/v1/plate-reader/"
DEADLINE = 8.0


def storage_works(url: str) -> bool:
    return bool(httpx.get(f"{url}/readyz").json()["checks"]["storage"])


def wait_until_storage(url: str, *, works: bool) -> None:
    wait_until(lambda: storage_works(url) is works)


def test_photos_are_refused_at_once_where_nothing_is_stored(tmp_path: Path, picture: bytes) -> None:
    port = free_port()
    health = f"http://127.0.0.1:{port}"
    with (
        running_nats(tmp_path) as server,
        running_gateway(server, health_port=port, deadline=DEADLINE) as gateway,
        gateway.client() as client,
    ):
        assert storage_works(health)
        server.freeze()
        first = threading.Thread(target=client.post, args=(PATH,), kwargs={"files": {"upload": picture}})
        first.start()
        wait_until_storage(health, works=False)
        assert httpx.get(f"{health}/readyz").status_code == 503
        said = [client.post(PATH, files={"upload": picture}) for _ in range(2)]  # one of them may find out
        assert {each.status_code for each in said} == {503}
        assert all("does not store photographs" in each.json()["error"] for each in said)
        assert all(each.headers["retry-after"] for each in said)
        first.join()
        server.stop()
        server.start()
        wait_until_storage(health, works=True)
