"""The users of the compose files' NATS: each stage can do its work, and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from aggregator.__main__ import main as aggregate
from platelane.bus import Bus, MessageInfo, Reject, Worker, pulse, subjects, topology
from platelane.bus.topology import Consumer
from platelane.errors import BadImage, EngineUnavailable
from platelane.pb.v1.stages_pb2 import (
    FAILURE_KIND_BAD_IMAGE,
    FAILURE_KIND_INTERNAL,
    DetectionPart,
    Job,
    JobContext,
    PlatesPart,
)
from platelane.runtime.settings import Settings
from tests.support import Caller, NatsServer, apply_topology, eventually, job, running, stored, unsettled

ROOT = Path(__file__).parents[2]
SERVICES = ("topology", "gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's queue, the subject its jobs come on, where it leaves its part and whom it gives more work."""

    consumer: Consumer
    work: str
    part: str
    hands_on: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        return self.consumer.name.removesuffix("_bulk")


DETECTOR = Stage(topology.DETECTOR, subjects.DETECT, subjects.DETECTION, (subjects.PLATE_CROPS, subjects.VEHICLE_CROPS))
BULK = replace(DETECTOR, consumer=topology.DETECTOR_BULK, work=subjects.BULK)
OCR = Stage(topology.OCR, subjects.PLATE_CROPS, subjects.PLATES)
ATTRIBUTES = Stage(topology.ATTRIBUTES, subjects.VEHICLE_CROPS, subjects.VEHICLES)
STAGES = pytest.mark.parametrize("stage", [DETECTOR, BULK, OCR, ATTRIBUTES], ids=lambda stage: stage.consumer.name)


def make_keys(folder: Path) -> None:
    subprocess.run(["bash", ROOT / "deploy" / "keys.sh", folder], check=True)


def password(keys: Path, service: str) -> str:
    return (keys / service / "platelane_nats_password").read_text()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture
def bare_server(tmp_path: Path, keys: Path) -> Iterator[NatsServer]:
    """With the compose files' configuration, but for addresses and folders."""
    text = (ROOT / "deploy" / "nats.conf").read_text()
    for theirs, ours in (
        ("keys/passwords.conf", "passwords.conf"),
        ('http: "127.0.0.1:8222"', ""),
        ("store_dir: /data", ""),
        ("$PLATELANE_NATS_SYNC_INTERVAL", "120s"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    (tmp_path / "passwords.conf").write_text((keys / "nats" / "passwords.conf").read_text())
    (tmp_path / "platelane.conf").write_text(text)
    server = NatsServer(tmp_path / "nats")
    server.start("-c", str(tmp_path / "platelane.conf"))
    yield server
    server.kill()


@pytest.fixture
async def server(bare_server: NatsServer, keys: Path) -> NatsServer:
    """With all streams, made by the user whose work that is."""
    await apply_topology(settings_of("topology", bare_server, keys))
    return bare_server


def settings_of(service: str, server: NatsServer, keys: Path) -> Settings:
    """As the service itself gets them in its container: user and password come from its folder of secrets."""
    return Settings(
        _secrets_dir=keys / service, nats_url=server.url, ack_wait=0.5, max_deliver=3, deadline=20, nats_partitions=3
    )


@asynccontextmanager
async def bus_of(service: str, server: NatsServer, keys: Path) -> AsyncIterator[Bus]:
    settings = settings_of(service, server, keys)
    assert (settings.nats_user, settings.nats_password.get_secret_value()) == (service, password(keys, service))
    bus = await Bus.connect(settings, service)
    try:
        yield bus
    finally:
        await bus.close()


@pytest.mark.parametrize("service", sorted(topology.REQUIRED))
async def test_a_service_may_look_for_what_it_needs(service: str, server: NatsServer, keys: Path) -> None:
    async with bus_of(service, server, keys) as bus:
        assert await bus.requirements.problems() == []


@pytest.mark.parametrize("service", sorted(topology.REQUIRED))
async def test_a_service_tells_the_gateway_how_it_is(service: str, server: NatsServer, keys: Path) -> None:
    told = pulse.Pulse(service=service, ready=True, checks={}, seconds={}, models={})

    async def state() -> pulse.Pulse:
        return told

    async with bus_of(service, server, keys) as bus, bus_of("gateway", server, keys) as gateway:
        await pulse.answer(bus, state)
        await bus.client.flush()
        assert await pulse.ask(gateway, [service], patience=30) == [told]


@STAGES
async def test_a_stage_does_its_work(stage: Stage, server: NatsServer, keys: Path) -> None:
    name = stage.service
    seen: list[str] = []
    async with bus_of(name, server, keys) as bus, bus_of("gateway", server, keys) as gateway:

        async def handler(work: Job, _info: MessageInfo) -> Reject | None:
            job_id = work.context.id
            seen.append(job_id)
            if job_id == "bad":
                raise BadImage("not a picture")
            if job_id == "poison":
                return Reject("poisonous")
            if job_id == "later" and seen.count(job_id) < 3:
                raise EngineUnavailable("not now")
            for subject in stage.hands_on:
                await bus.publish(subject, work, f"{job_id}.{subject}")
            await bus.publish(subjects.part(job_id, stage.part), PlatesPart(context=work.context), f"{job_id}.part")
            return None

        async def settled() -> bool:
            left = await unsettled(gateway, stage.consumer.stream, name)
            waiting, _ = await bus.waiting(stage.consumer)
            return (left, waiting, await stored(gateway, topology.PARTS)) == (0, 0, 2)

        caller = Caller(gateway)
        await caller.listen()
        async with running(Worker(bus, stage.consumer, Job, handler, 2).run):
            for job_id in ("bad", "poison", "once", "later"):
                work = job(job_id, reply_subject=caller.subject)
                await gateway.publish(stage.work, work, job_id)
            failures = {reply.job_id: reply.failure.kind for reply in [await caller.reply(), await caller.reply()]}
            await eventually(settled)
        assert failures == {"bad": FAILURE_KIND_BAD_IMAGE, "poison": FAILURE_KIND_INTERNAL}
        assert await stored(gateway, topology.DEAD) == 1


FORBIDDEN = [
    "$JS.API.STREAM.MSG.GET.KV_HOOKS",
    "$JS.API.DIRECT.GET.KV_HOOKS",
    "$JS.API.DIRECT.GET.KV_tokens",
    "$JS.API.DIRECT.GET.RESULTS",
    "$JS.API.STREAM.CREATE.COPY",
    "$JS.API.STREAM.UPDATE.JOBS",
    "$JS.API.STREAM.PURGE.JOBS",
    "$JS.API.CONSUMER.CREATE.KV_HOOKS.mine",
    "$JS.API.CONSUMER.MSG.NEXT.PARTS.aggregator",
    "$KV.tokens.mine",
    "$KV.HOOKS.1",
    subjects.DETECT,
    subjects.result("gate", "job"),
    subjects.changed(topology.HOOKS, "1"),
    "_INBOX.webhook_svc.answer",
]
UNHEARD = ["_INBOX.>", "_INBOX.gateway.>", "platelane.>", subjects.STORED_RESULTS, "platelane.changed.>", "$KV.>", ">"]


@asynccontextmanager
async def client_of(service: str, server: NatsServer, keys: Path) -> AsyncIterator[tuple[Client, list[str]]]:
    """A connection without any of our code, and what the server has complained about."""
    complaints: list[str] = []

    async def on_error(error: Exception) -> None:
        complaints.append(str(error))

    client = await nats.connect(server.url, user=service, password=password(keys, service), error_cb=on_error)
    try:
        yield client, complaints
    finally:
        await client.close()


@STAGES
async def test_a_stage_can_do_nothing_else(stage: Stage, server: NatsServer, keys: Path) -> None:
    async with bus_of("gateway", server, keys), client_of(stage.service, server, keys) as (client, complaints):
        others = {DETECTOR.work, BULK.work, OCR.work, ATTRIBUTES.work} - set(stage.hands_on)
        parts = {subjects.part("job", part) for part in ("detection", "plates", "vehicles")}
        closed = sorted({*FORBIDDEN, *others, *parts} - {subjects.part("job", stage.part)})
        for subject in closed:
            await client.publish(subject, b"{}")
        for subject in UNHEARD:
            await client.subscribe(subject)

        async def all_refused() -> bool:
            return len(complaints) == len(closed) + len(UNHEARD)

        await eventually(all_refused)
        tried = [*(f'publish to "{each}"' for each in closed), *(f'subscription to "{each}"' for each in UNHEARD)]
        for attempt, said in zip(tried, complaints, strict=True):
            assert f"permissions violation for {attempt}".lower() in said.lower()


SECRETS = [
    "$JS.API.STREAM.MSG.GET.KV_HOOKS",
    "$JS.API.DIRECT.GET.KV_HOOKS",
    "$JS.API.STREAM.MSG.GET.KV_tokens",
    "$JS.API.DIRECT.GET.KV_tokens",
    "$JS.API.STREAM.MSG.GET.KV_IMAGES",
    "$JS.API.STREAM.UPDATE.PARTS",
    "$JS.API.STREAM.PURGE.RESULTS",
    "$JS.API.STREAM.MSG.DELETE.RESULTS",
    "$JS.API.CONSUMER.MSG.NEXT.RESULTS.dispatcher",
    "$KV.tokens.mine",
    "$KV.HOOKS.1",
    subjects.DETECT,
    subjects.PLATE_CROPS,
    subjects.changed(topology.HOOKS, "1"),
    subjects.delivery("1", "1"),
    "_INBOX.webhook_svc.answer",
]


@pytest.mark.parametrize("partition", range(3))
async def test_the_aggregator_answers_counts_and_keeps_dead_letters(
    server: NatsServer, keys: Path, partition: int
) -> None:
    settings = settings_of("gateway", server, keys)
    camera = next(f"{n}" for n in range(100) if topology.partition_of(f"{n}", "", settings) == partition)
    async with bus_of("gateway", server, keys) as gateway, bus_of("aggregator", server, keys) as bus:
        caller = Caller(gateway)
        await caller.listen()

        async def hopeless(_: Job, _info: MessageInfo) -> Reject:
            raise ZeroDivisionError

        async with running(lambda stop: aggregate(bus.settings, bus, stop)):
            context = JobContext(
                id="whole", camera_id=camera, reply_subject=caller.subject, account="account", accepted_us=1
            )
            for part in (subjects.PLATES, subjects.DETECTION):
                await gateway.publish_job_message(subjects.part("whole", part), DetectionPart(context=context), part)
            reply = await caller.reply()
            assert (reply.job_id, reply.calls) == ("whole", 1)

            async with running(Worker(gateway, topology.DETECTOR, Job, hopeless, 1).run):
                work = job("hopeless", reply_subject=caller.subject)
                work.context.camera_id = camera
                await gateway.publish_job_message(subjects.DETECT, work)
                reply = await caller.reply(timeout=20)
            assert (reply.job_id, reply.failure.kind) == ("hopeless", FAILURE_KIND_INTERNAL)

            async def settled() -> bool:
                left = [
                    await stored(gateway, stream)
                    for whole in (topology.JOBS, topology.PARTS, topology.ADVISORIES)
                    for stream in topology.partitions(whole, bus.settings)
                ]
                kept = [await stored(gateway, stream) for stream in (topology.RESULTS, topology.DEAD)]
                return (sum(left), kept) == (0, [1, 1])

            await eventually(settled)


async def test_the_aggregator_sees_no_secrets(server: NatsServer, keys: Path) -> None:
    async with bus_of("gateway", server, keys), client_of("aggregator", server, keys) as (client, complaints):
        for subject in SECRETS:
            await client.publish(subject, b"{}")
        for subject in UNHEARD:
            await client.subscribe(subject)

        async def all_refused() -> bool:
            return len(complaints) == len(SECRETS) + len(UNHEARD)

        await eventually(all_refused)


async def test_without_the_password_there_is_no_connection(server: NatsServer, keys: Path) -> None:
    for user, given in (("", ""), ("gateway", "guess"), ("gateway", password(keys, "detector"))):
        settings = Settings(nats_url=server.url, nats_user=user, nats_password=given)
        with pytest.raises(EngineUnavailable, match="Authorization Violation") as raised:
            await Bus.connect(settings, "test", patience=0.5)
        assert not given or given not in raised.value.detail


def test_every_user_has_a_password_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    make_keys(tmp_path)
    passwords = [password(tmp_path, service) for service in SERVICES]
    assert len(set(passwords)) == len(SERVICES)
    assert all(len(each) == 64 for each in passwords)
    make_keys(tmp_path)
    assert [password(tmp_path, service) for service in SERVICES] == passwords
    for service in SERVICES:
        assert {file.name for file in (tmp_path / service).iterdir()} == {
            "platelane_nats_user",
            "platelane_nats_password",
        }


async def test_a_stage_waits_until_its_queue_is_made(bare_server: NatsServer, keys: Path) -> None:
    handled = asyncio.Event()

    async def handler(_work: Job, _info: MessageInfo) -> None:
        handled.set()

    async with (
        bus_of("detector", bare_server, keys) as bus,
        running(Worker(bus, topology.DETECTOR, Job, handler, 1).run),
    ):
        assert await bus.requirements.problems()
        await apply_topology(settings_of("topology", bare_server, keys))
        async with bus_of("gateway", bare_server, keys) as gateway:
            await gateway.publish(subjects.DETECT, job("one"), "one")
            async with asyncio.timeout(10):
                await handled.wait()
