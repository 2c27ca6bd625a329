"""Which pages may use a server that requires no token."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from gateway.http import csrf
from gateway.http.csrf import guarded, is_allowed, refuse_cross_site
from platelane.errors import Forbidden
from platelane.runtime.settings import Settings


def request(origin: str | None, host: str = "192.168.1.20:8080") -> Request:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize("origin", [None, "http://192.168.1.20:8080", "https://192.168.1.20:8080"])
def test_programs_and_pages_of_this_server(origin: str | None) -> None:
    refuse_cross_site(request(origin), Settings())


@pytest.mark.parametrize("origin", ["https://evil.example", "http://192.168.1.20", "null", "http://[", "192.168.1.20"])
def test_pages_of_other_sites(origin: str) -> None:
    with pytest.raises(Forbidden):
        refuse_cross_site(request(origin), Settings())
    refuse_cross_site(request(origin), Settings(profile="cloud"))  # where a token says who asks


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8080", "app.localhost", "127.0.0.1:8080", "10.1.2.3", "[::1]:8080", "[fe80::1%eth0]:80",
        "box", "Box.:8080", "box.local", "box.lan:8080", "box.fritz.box", "gateway", "plates.example.com:443",
        "a.svc.cluster.local",
    ],
)  # fmt: skip
def test_names_of_this_server(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(csrf, "machine_names", lambda: csrf.names_of("box.office.example"))
    assert is_allowed(host, ("gateway", "Plates.example.com", "*.svc.cluster.local"))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "box.evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "plates.local",
        "svc.cluster.local.evil.example", "2130706433", "0x7f.1", "", " ", "[evil]", "a:b:c", "[::1].evil", "\u0131",
        "evil.example\x00localhost", "localhost@evil.example",
    ],
)  # fmt: skip
def test_names_that_others_let_point_here(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(csrf, "machine_names", lambda: csrf.names_of("box.office.example"))
    assert not is_allowed(host, ("gateway", "*.svc.cluster.local"))
    assert is_allowed(host, ("*",)) == (host not in ("a:b:c", "[::1].evil"))
    if host.strip():
        with pytest.raises(Forbidden, match="PLATELANE_ALLOWED_HOSTS"):
            refuse_cross_site(request(None, host), Settings())
        refuse_cross_site(request(None, host), Settings(profile="cloud"))


def test_what_pages_of_other_sites_may_use() -> None:
    assert not any(map(guarded, ("/", "/v1/plate-reader", "/v1/blur", "/alpr", "/docs", "/openapi.json")))
    managed = "zones", "zones/gate", "webhooks", "webhooks/1/test", "results", "events", "statistics", "regions", "new"
    assert all(guarded(f"/v1/{path}") for path in managed)
    assert guarded("/info")
