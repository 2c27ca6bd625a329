"""What can be configured: environment variables with the prefix `PLATELANE_`, the same for every service."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SECRETS: Final = Path("/run/secrets")


class Settings(BaseSettings):
    """All settings with their defaults, which suit one machine; `platelane settings` lists them.

    What the environment does not say may be in a file of `/run/secrets` instead, such as `platelane_nats_password`.
    """

    model_config = SettingsConfigDict(
        env_prefix="PLATELANE_", frozen=True, extra="ignore", secrets_dir=_SECRETS if _SECRETS.is_dir() else None
    )

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, comma-separated")
    nats_user: str = Field("", pattern="^[A-Za-z0-9_-]*$", description="user of NATS, where it knows users")
    nats_password: SecretStr = Field(SecretStr(""), description="password of that user")
    nats_ca: str = Field("", description="file with the CA of NATS' certificate (PEM); NATS then has to speak TLS")
    nats_cert: str = Field("", description="file with a client's certificate for NATS (PEM), where it wants one")
    nats_key: str = Field("", description="file with the key of that certificate (PEM)")
    nats_replicas: int = Field(1, ge=1, le=5, description="copies of every stream (3 on a NATS cluster)")
    triton_url: str = Field(
        "127.0.0.1:8001", description="Triton's gRPC address; several behind one DNS name are balanced"
    )

    host: str = Field("127.0.0.1", description="address the gateway listens on")
    port: int = Field(8080, ge=0, le=65535, description="port of the REST API")
    grpc_port: int = Field(8090, ge=0, le=65535, description="port of the gRPC service; 0 turns it off")
    tls_cert: str = Field("", description="file with the gateway's certificate chain (PEM): HTTPS, and TLS for gRPC")
    tls_key: str = Field("", description="file with the key of that certificate (PEM)")
    drain: float = Field(
        0.0, ge=0, le=60, description="seconds a stopping gateway still takes connections, until balancers know"
    )
    health_host: str = Field("127.0.0.1", description="address a service's health page listens on")
    health_port: int = Field(0, ge=0, le=65535, description="port of the health page; 0 turns it off")
    profile: Literal["sdk", "cloud"] = Field(
        "sdk", description="which of the API's two servers to be: on-premise or cloud"
    )
    tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="tokens the cloud profile accepts, comma-separated"
    )
    upload_limit: int = Field(6_000_000, ge=1_000, le=7_500_000, description="largest accepted image, bytes")
    upload_timeout: float = Field(30.0, gt=0, description="seconds an upload may take to arrive")
    pixel_limit: int = Field(50_000_000, ge=10_000, description="largest accepted image, pixels after decoding")
    fetch_timeout: float = Field(5.0, gt=0, description="seconds that fetching an upload_url may take")
    fetch_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="networks that upload_url may lead to besides the internet, comma-separated (10.1.0.0/16)"
    )
    deadline: float = Field(9.0, gt=0, le=60, description="seconds after which a caller gets 503")
    max_calls: int = Field(
        1_000_000, ge=0, description="calls a month; the cloud profile refuses more from one token, with 403"
    )
    rate_limit: int = Field(
        8, ge=0, description="uploads a second from one token of the cloud profile; more get 429; 0 for any number"
    )
    http_in_flight: int = Field(64, ge=1, description="uploads the gateway works on at once; more get 503")

    in_flight: int = Field(4, ge=1, le=256, description="jobs a detector, ocr or attributes process works on at once")
    queue_limit: int = Field(512, ge=1, description="jobs that may wait; more get 503")
    ack_wait: float = Field(3.0, gt=0, description="seconds after which a silent worker's job goes to another")
    max_deliver: int = Field(5, ge=1, description="times a job is tried before it is a dead letter")
    results_days: float = Field(7, gt=0, description="days that results are kept")
    results_bytes: int = Field(1_000_000_000, ge=1_000_000, description="bytes of results that are kept")

    webhook_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses that get every result by POST, comma-separated"
    )
    webhook_timeout: float = Field(10.0, gt=0, description="seconds a webhook receiver has to answer")
    webhook_queue: int = Field(
        10_000, ge=1, le=1_000_000, description="events that may wait for a webhook; the oldest is dropped, and counted"
    )
    webhook_retry_limit: float = Field(
        3_600.0, ge=0.1, description="longest pause between two attempts to deliver an event, seconds"
    )
    webhook_attempts: int = Field(
        48, ge=1, description="attempts after which an event becomes a dead letter; 48 take about 36 hours"
    )
    webhook_disable_after: float = Field(
        86_400.0, gt=0, description="seconds after which a webhook that only ever fails is disabled"
    )
    image_hours: float = Field(24.0, gt=0, description="hours that pictures are kept for webhooks that send them")
    image_bytes: int = Field(1_000_000_000, ge=10_000_000, description="bytes of pictures that are kept for webhooks")
    smtp_url: SecretStr = Field(
        SecretStr(""), description="mail server that tells of disabled webhooks, smtp(s)://user:password@host:port"
    )
    mail_from: str = Field("platelane@localhost", description="sender of mails")
    mail_to: str = Field("", description="receiver of mails about webhooks that name none")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level to log")
    log_format: Literal["json", "console"] = Field("json", description="one JSON object a line, or text for people")

    otlp_endpoint: str = Field("", description="where traces go, OTLP over gRPC (http://host:4317); empty: nowhere")

    model_repository: Path = Field(
        Path(__file__).resolve().parent.parent / "triton_models", description="the models' label files"
    )
    state_dir: Path = Field(
        Path("~/.local/state/platelane"), description="where `platelane up` keeps NATS data and logs"
    )

    @field_validator("tokens", "webhook_targets", "fetch_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()
