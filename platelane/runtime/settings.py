"""What can be configured: environment variables with the prefix `PLATELANE_`, the same for every service."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from platelane import validation
from platelane.errors import CannotStart
from platelane.resources import MODELS
from platelane.tokens import MOST_CALLS

SYNC_INTERVAL: Final = "120s"
"""nats-server's own."""
LARGEST_UPLOAD: Final = 32_000_000
"""Bytes. A message of NATS JetStream has 32 MiB at most, and some are for what goes with the picture."""
_UPLOAD_IN_CLOUD: Final = 6_000_000
_SECRETS: Final = Path("/run/secrets")


def _usual_upload_limit(chosen: dict[str, Any]) -> int:
    """As the two servers of the API have it: the one on-premise has no limit of its own."""
    return _UPLOAD_IN_CLOUD if chosen.get("profile") == "cloud" else LARGEST_UPLOAD


class Settings(BaseSettings):
    """All settings with their defaults, which suit one machine; `platelane settings` lists them.

    What the environment does not say may be in a file of `/run/secrets` instead, such as `platelane_nats_password`.
    """

    model_config = SettingsConfigDict(
        env_prefix="PLATELANE_",
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        secrets_dir=_SECRETS if _SECRETS.is_dir() else None,
    )

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, comma-separated")
    nats_user: str = Field("", description="NATS user name, if the server requires one")
    nats_password: SecretStr = Field(SecretStr(""), description="password of that user")
    nats_ca: str = Field("", description="CA certificate file (PEM) that verifies NATS; connections then require TLS")
    nats_cert: str = Field("", description="client certificate file (PEM) for NATS, if it requires one")
    nats_key: str = Field("", description="private key file (PEM) of that certificate")
    nats_replicas: int = Field(
        1, ge=1, le=5, description="copies of durable data: results, tokens, webhooks, usage (3 on a NATS cluster)"
    )
    nats_work_replicas: int = Field(
        0,
        ge=0,
        le=5,
        description="copies of short-lived data: jobs, crops, parts, rates; 0: as many as of durable data",
    )
    nats_partitions: int = Field(
        1, ge=1, le=64, description="number of streams that jobs, crops and parts are each split into, by camera"
    )
    nats_sync_interval: str = Field(
        SYNC_INTERVAL,
        description="how often nats-server flushes its files to disk: a duration such as `120s`, or `always`",
    )
    triton_url: str = Field(
        "127.0.0.1:8001",
        description="Triton's gRPC address, balanced if its DNS name has several; or `unix:` and a path",
    )

    host: str = Field("127.0.0.1", description="address the gateway listens on")
    port: int = Field(8080, ge=0, le=65535, description="port of the REST API")
    grpc_port: int = Field(8090, ge=0, le=65535, description="port of the gRPC service; 0 turns it off")
    tls_cert: str = Field("", description="certificate chain file (PEM); turns on HTTPS, and TLS for gRPC")
    tls_key: str = Field("", description="private key file (PEM) of that certificate")
    drain: float = Field(
        0.0,
        ge=0,
        le=60,
        description="seconds a stopping gateway keeps accepting connections, so that load balancers notice",
    )
    health_host: str = Field("127.0.0.1", description="address the health page of a service listens on")
    health_port: int = Field(0, ge=0, le=65535, description="port of the health page; 0 turns it off")
    profile: Literal["sdk", "cloud"] = Field(
        "sdk", description="which Snapshot server to behave like: `sdk` (on-premise) or `cloud`"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="host names of the gateway besides those of its machine, comma-separated (gateway, *.example.com); "
        "on-premise, requests for results or settings under any other name get 403",
    )
    tokens: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="tokens that the cloud profile accepts, comma-separated"
    )
    upload_limit: int = Field(
        default_factory=_usual_upload_limit,
        ge=1_000,
        le=LARGEST_UPLOAD,
        validate_default=True,
        description="largest accepted image in bytes; 6000000 with the cloud profile",
    )
    upload_timeout: float = Field(30.0, gt=0, description="seconds an upload may take to arrive")
    pixel_limit: int = Field(50_000_000, ge=10_000, description="largest accepted image in pixels")
    fetch_timeout: float = Field(5.0, gt=0, description="seconds that fetching an upload_url may take")
    fetch_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="private networks that upload_url may also reach, comma-separated (10.1.0.0/16)"
    )
    deadline: float = Field(9.0, gt=0, le=60, description="seconds after which a waiting caller gets 503")
    async_deadline: float = Field(
        300.0, gt=0, le=3_600, description="the deadline of requests with `Prefer: respond-async`, in seconds"
    )
    outcome_hours: float = Field(
        24.0,
        ge=1,
        description="hours to keep answers to requests with an Idempotency-Key, and failures of asynchronous requests",
    )
    max_calls: int = Field(
        1_000_000, ge=0, le=MOST_CALLS, description="calls a month; with the cloud profile, more from one token get 403"
    )
    rate_limit: int = Field(
        8,
        ge=0,
        le=MOST_CALLS,
        description="uploads a second from one token of the cloud profile; more get 429; 0: no limit",
    )
    http_in_flight: int = Field(
        64,
        ge=1,
        description="most uploads that a gateway works on at once, fewer when answers are late; more get 503",
    )
    upload_rate: int = Field(
        1_000,
        ge=0,
        description="lowest rate of an upload in bytes a second; slower ones get 408; 0: no minimum",
    )
    arriving_bytes: int = Field(
        0,
        ge=0,
        description="bytes of uploads held in memory at once, up to two thirds of them from one client; more get 503; "
        "0: two fifths of the container's memory limit, or an eighth of the machine's memory",
    )
    stream_idle: float = Field(
        300.0, gt=0, description="seconds without a picture after which a gRPC stream of pictures ends"
    )

    in_flight: int = Field(
        4,
        ge=1,
        le=256,
        description="jobs that a detector, ocr or attributes process works on at once, at least one per partition",
    )
    queue_limit: int = Field(512, ge=1, description="jobs that may wait; more get 503")
    ack_wait: float = Field(
        3.0, gt=0, description="seconds after which the job of a silent worker goes to another worker"
    )
    max_deliver: int = Field(5, ge=1, description="attempts after which a job becomes a dead letter")
    results_days: float = Field(7, gt=0, description="days to keep results")
    results_bytes: int = Field(1_000_000_000, ge=1_000_000, description="bytes of results to keep")
    keep_crops: bool | None = Field(
        None,
        description="whether to keep small pictures of plates, vehicles and cameras as long as results; "
        "empty: on-premise only",
    )
    crops_bytes: int = Field(1_000_000_000, ge=10_000_000, description="bytes of such pictures to keep")

    reads_database: SecretStr = Field(
        SecretStr(""),
        description="database of the index of reads: sqlite:////file or postgresql://user:password@host/name; "
        "empty: reads.db in the state directory",
    )
    reads_limit: int = Field(5_000_000, ge=1_000, description="reads that the index keeps; older ones are dropped")

    webhook_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="URLs that receive every result by POST, comma-separated"
    )
    webhook_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="private networks that webhooks of tokens may also reach, comma-separated (10.1.0.0/16)"
    )
    webhook_timeout: float = Field(10.0, gt=0, description="seconds a webhook receiver has to answer")
    webhook_queue: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="events that may wait for a webhook; beyond that, the oldest is dropped and counted",
    )
    webhook_retry_limit: float = Field(
        3_600.0, ge=0.1, description="longest pause between two attempts to deliver an event, in seconds"
    )
    webhook_attempts: int = Field(
        48, ge=1, description="attempts after which an event becomes a dead letter; 48 take about 36 hours"
    )
    webhook_disable_after: float = Field(
        86_400.0, gt=0, description="seconds of uninterrupted failure after which a webhook is disabled"
    )
    image_hours: float = Field(24.0, gt=0, description="hours to keep pictures for webhooks that send them")
    image_bytes: int = Field(1_000_000_000, ge=10_000_000, description="bytes of pictures to keep for webhooks")
    smtp_url: SecretStr = Field(
        SecretStr(""), description="mail server for notices of disabled webhooks, smtp(s)://user:password@host:port"
    )
    mail_from: str = Field("platelane@localhost", description="sender of these notices")
    mail_to: str = Field("", description="recipient of notices about webhooks that name none")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level to log")
    log_format: Literal["json", "text", "console"] = Field(
        "json", description="`json`: one object a line; `text` or `console`: for people"
    )

    otlp_endpoint: str = Field(
        "", description="where to send traces, by OTLP over gRPC (http://host:4317); empty: nowhere"
    )

    model_repository: Path = Field(MODELS, description="folder of the models and their labels, as Triton serves them")
    state_dir: Path = Field(
        Path("~/.local/state/platelane"), description="where `platelane up` keeps NATS data and logs"
    )

    @property
    def keeps_crops(self) -> bool:
        """Whether small pictures are kept beside results."""
        return self.profile == "sdk" if self.keep_crops is None else self.keep_crops

    @property
    def reads_address(self) -> str:
        """Where the index of reads is kept."""
        file = self.state_dir.expanduser().absolute() / "reads.db"
        return self.reads_database.get_secret_value() or f"sqlite:///{file}"

    @property
    def work_replicas(self) -> int:
        """Copies of what lives seconds."""
        return self.nats_work_replicas or self.nats_replicas

    @field_validator("nats_user")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not re.fullmatch("[A-Za-z0-9_-]*", value):
            raise ValueError("a user's name has only letters, digits, - and _")
        return value

    @field_validator("nats_sync_interval")
    @classmethod
    def _interval(cls, value: str) -> str:
        if not re.fullmatch("always|[1-9][0-9]{0,5}(s|ms)", value):
            raise ValueError("it is `always`, or a time such as 120s or 500ms")
        return value

    @field_validator("profile", "log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("keep_crops", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("allowed_hosts", "tokens", "webhook_targets", "webhook_networks", "fetch_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def read_settings() -> Settings:
    """The settings from the environment. A program calls this once, when it starts, and passes them on.

    Raises:
        CannotStart: variables have invalid values; all of them are named.
    """
    try:
        return Settings()
    except ValidationError as error:
        # a default that follows from other settings is missing only because one of those is wrong
        problems = [problem for problem in error.errors() if problem["type"] != "default_factory_not_called"]
        said = (validation.sentence(problem, _variable(problem)) for problem in problems)
        raise CannotStart("\n".join(dict.fromkeys(said))) from None


def _variable(problem: ErrorDetails) -> str:
    return f"{Settings.model_config['env_prefix']}{problem['loc'][0]}".upper()
