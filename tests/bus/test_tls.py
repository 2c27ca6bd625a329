"""TLS to NATS, with a real server and certificates of a private authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from platelane.bus import Bus
from platelane.errors import CannotStart, EngineUnavailable
from platelane.runtime.settings import Settings
from tests.support import NatsServer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and certificates with their keys for the server, for a client, and for a server elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other_ca.pem")
    for name, identity in (("server", "127.0.0.1"), ("elsewhere", "nats.example"), ("client", "detector.example")):
        issued = authority.issue_cert(identity)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """Not started yet."""
    server = NatsServer(tmp_path / "nats")
    yield server
    server.kill()


def start(server: NatsServer, files: Path, name: str = "server", *options: str) -> None:
    server.start("--tls", "--tlscert", f"{files}/{name}.pem", "--tlskey", f"{files}/{name}.key", *options)


async def works(server: NatsServer, **chosen: Any) -> None:
    """Streams are made, which takes many requests."""
    bus = await Bus.connect(Settings(nats_url=server.url, **chosen), "test", patience=3)
    try:
        assert bus.connected
    finally:
        await bus.close()


async def test_a_known_authority_is_trusted(server: NatsServer, files: Path) -> None:
    start(server, files)
    await works(server, nats_ca=str(files / "ca.pem"))


async def test_a_server_may_want_a_certificate_too(server: NatsServer, files: Path) -> None:
    start(server, files, "server", "--tlsverify", "--tlscacert", f"{files}/ca.pem")
    known = {"nats_ca": str(files / "ca.pem")}
    await works(server, **known, nats_cert=str(files / "client.pem"), nats_key=str(files / "client.key"))
    with pytest.raises(EngineUnavailable):
        await works(server, **known)


@pytest.mark.parametrize(("certificate", "authority"), [("server", "other_ca"), ("elsewhere", "ca"), ("server", "")])
async def test_a_stranger_is_not_talked_to(server: NatsServer, files: Path, certificate: str, authority: str) -> None:
    start(server, files, certificate)
    with pytest.raises(EngineUnavailable, match="certificate verify failed"):
        await works(server, nats_ca=str(files / f"{authority}.pem") if authority else "")


async def test_a_password_goes_to_no_server_without_tls(server: NatsServer, files: Path) -> None:
    server.start("--user", "gateway", "--pass", "secret")
    user = {"nats_user": "gateway", "nats_password": "secret"}
    await works(server, **user)
    with pytest.raises(EngineUnavailable, match="secure connection"):
        await works(server, **user, nats_ca=str(files / "ca.pem"))


@pytest.mark.parametrize(
    "chosen",
    [
        {"nats_ca": "missing.pem"},
        {"nats_ca": "server.key"},
        {"nats_ca": "ca.pem", "nats_cert": "client.pem", "nats_key": "server.key"},
        {"nats_ca": "ca.pem", "nats_cert": "client.pem"},
    ],
)
async def test_files_that_cannot_be_used_are_named(server: NatsServer, files: Path, chosen: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match=r"server\.key|missing\.pem|client\.pem"):
        await works(server, **{name: str(files / file) for name, file in chosen.items()})
