"""HTTPS and gRPC with TLS, from a real gateway with a certificate of a private authority."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import trustme

from platelane.client import PlateReader
from platelane.errors import EngineUnavailable
from tests.gateway.conftest import Gateway, NatsServer, digest, running_gateway
from tests.support import free_port


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / "cert.pem", append=True)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return folder


@pytest.fixture(scope="module")
def grpc_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def gateway(served: NatsServer, files: Path, grpc_port: int) -> Iterator[Gateway]:
    chosen = {"tls_cert": files / "cert.pem", "tls_key": files / "key.pem", "grpc_port": grpc_port}
    with running_gateway(served, **chosen) as gateway:
        yield gateway


def post(gateway: Gateway, picture: bytes, verify: ssl.SSLContext | bool) -> httpx.Response:
    url = f"https://{gateway.host}:{gateway.port}/v1/plate-reader/"
    with httpx.Client(verify=verify, trust_env=False, timeout=20) as client:
        return client.post(url, files={"upload": ("a.jpg", picture)})


def test_https(gateway: Gateway, files: Path, picture: bytes) -> None:
    answer = post(gateway, picture, ssl.create_default_context(cafile=str(files / "ca.pem")))
    assert answer.status_code == 200
    assert answer.json()["results"][0]["plate"] == digest(picture)


def test_a_client_that_does_not_know_the_authority_gets_nowhere(gateway: Gateway, picture: bytes) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        post(gateway, picture, ssl.create_default_context())


def test_plain_http_is_not_answered(gateway: Gateway) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{gateway.host}:{gateway.port}/", trust_env=False, timeout=5)


async def test_grpc(gateway: Gateway, files: Path, picture: bytes, grpc_port: int) -> None:
    credentials = grpc.ssl_channel_credentials((files / "ca.pem").read_bytes())
    async with PlateReader(f"{gateway.host}:{grpc_port}", credentials=credentials) as reader:
        recognition = await reader.recognize(picture)
    assert recognition.sightings[0].plate.text == digest(picture)


@pytest.mark.parametrize("credentials", [None, grpc.ssl_channel_credentials()], ids=["plain", "stranger"])
async def test_grpc_with_nothing_less(
    gateway: Gateway, picture: bytes, grpc_port: int, credentials: grpc.ChannelCredentials | None
) -> None:
    async with PlateReader(f"{gateway.host}:{grpc_port}", credentials=credentials) as reader:
        with pytest.raises(EngineUnavailable):
            await reader.recognize(picture, timeout=5)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("cert.pem", "", "must be set together"),
        ("missing.pem", "key.pem", "missing.pem"),
        ("cert.pem", "ca.pem", "are not a certificate and its key"),
    ],
)
def test_a_gateway_that_cannot_encrypt_does_not_start(
    nats: NatsServer, files: Path, certificate: str, key: str, said: str
) -> None:
    environment = {
        "PLATELANE_NATS_URL": nats.url,
        "PLATELANE_PORT": "0",
        "PLATELANE_GRPC_PORT": "0",
        "PLATELANE_TLS_CERT": str(files / certificate),
        "PLATELANE_TLS_KEY": str(files / key) if key else "",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
