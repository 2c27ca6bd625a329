"""NATS as in deploy/kubernetes: three real servers with its configuration and passwords, on other ports."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import Queue, QueuePlan
from tests.support import PROGRAM, apply_topology, eventually, free_port, job, stored

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "kubernetes"
SERVERS: Final = 3
START_SECONDS: Final = 40.0


def manifests(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / file).read_text()))


def container() -> dict[str, Any]:
    [found] = manifests("base/nats.yaml")[0]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def setting(name: str) -> str:
    """As the ConfigMap has it."""
    [kustomization] = manifests("base/kustomization.yaml")
    literals = dict(each.split("=", 1) for each in kustomization["configMapGenerator"][0]["literals"])
    return str(literals[name])


@dataclass(slots=True)
class Server:
    """One of the servers, and what the node would do with its pod."""

    number: int
    folder: Path
    port: int
    monitor: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(PROGRAM), "--config", str(self.folder / "nats.conf")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "POD_NAME": f"nats-{self.number}", "PLATELANE_NATS_SYNC_INTERVAL": "120s"},
                stdout=log,
                stderr=log,
            )

    def leave(self) -> None:
        """What happens before the pod is stopped, and its end."""
        assert self.process is not None
        program, signal = container()["lifecycle"]["preStop"]["exec"]["command"]
        assert program == "nats-server"
        subprocess.run([PROGRAM, signal.replace("/run/nats", str(self.folder))], check=True, capture_output=True)
        end = time.monotonic() + START_SECONDS
        while "Entering lame duck mode" not in (self.folder / "log").read_text():  # less than a node's own delay
            assert time.monotonic() < end
            time.sleep(0.01)
        self.process.terminate()  # must not cut the goodbye short
        time.sleep(0.3)
        assert self.process.poll() is None
        self.process.wait(60)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def page(self, path: str) -> dict[str, Any]:
        """Of the monitoring; raises OSError unless the answer is 200."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def healthy(self) -> bool:
        """Whether all of the pod's probes succeed."""
        try:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.page(container()[probe]["httpGet"]["path"])
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Cluster:
    servers: list[Server]
    secrets: dict[str, dict[str, str]]
    folder: Path

    def settings(self, service: str) -> Settings:
        """As the service has them in its pod."""
        mounted = self.folder / service
        mounted.mkdir(exist_ok=True)
        for name, value in self.secrets[f"nats-{service.replace('_', '-')}"].items():
            (mounted / name).write_text(value)
        return Settings(
            _secrets_dir=mounted,
            nats_url=",".join(f"nats://127.0.0.1:{server.port}" for server in self.servers),
            nats_replicas=int(setting("PLATELANE_NATS_REPLICAS")),
            deadline=30,
        )

    @asynccontextmanager
    async def bus(self, service: str) -> AsyncIterator[Bus]:
        """A service's way to the others, once the Job has made the topology."""
        await apply_topology(self.settings("topology"))
        bus = await Bus.connect(self.settings(service), service)
        try:
            yield bus
        finally:
            await bus.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = subprocess.run(["bash", FOLDER / "secrets.sh"], check=True, capture_output=True, text=True).stdout
    secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in yaml.safe_load_all(made)}
    routes = [free_port() for _ in range(SERVERS)]
    servers = []
    for number in range(SERVERS):
        server = Server(number, tmp_path / f"nats-{number}", free_port(), free_port())
        (server.folder / "keys").mkdir(parents=True)
        for name, text in secrets["nats"].items():
            for other, port in enumerate(routes):
                text = text.replace(f"nats-{other}.nats:6222", f"127.0.0.1:{port}")
            (server.folder / "keys" / name).write_text(text)
        text = (FOLDER / "base" / "nats.conf").read_text()
        for theirs, ours in (
            ("port: 4222", f'listen: "127.0.0.1:{server.port}"'),
            ("http_port: 8222", f'http: "127.0.0.1:{server.monitor}"'),
            ("port: 6222", f'listen: "127.0.0.1:{routes[number]}"'),
            ("/run/nats", str(server.folder)),
            ("store_dir: /data", f'store_dir: "{server.folder}"'),
            ("lame_duck_grace_period: 5s", "lame_duck_grace_period: 1s"),
        ):
            assert text.count(theirs) == 1
            text = text.replace(theirs, ours)
        (server.folder / "nats.conf").write_text(text)
        servers.append(server)
    try:
        for server in servers:
            server.start()
        end = time.monotonic() + START_SECONDS
        while not all(server.healthy() for server in servers):
            assert time.monotonic() < end, "\n".join((server.folder / "log").read_text() for server in servers)
            time.sleep(0.1)
        yield Cluster(servers, secrets, tmp_path)
    finally:
        for server in servers:
            server.kill()


async def test_every_stream_and_queue_has_three_copies(cluster: Cluster) -> None:
    async with cluster.bus("gateway") as bus, cluster.bus("webhook_svc") as other:
        plan = QueuePlan(hook_id=7, generation=1, concurrency=2, max_queued=10)
        queue = Queue(other, plan.hook_id)
        await queue.ensure(plan)
        await queue.ensure_consumers(plan)
        manager = bus.client.jsm(timeout=5)
        streams = await manager.streams_info()
        assert {stream.config.name for stream in streams} == {
            *(stream.name for stream in topology.streams(bus.settings)),
            "HOOK_7",
        }
        for stream in streams:
            assert stream.config.num_replicas == SERVERS
            assert stream.cluster is not None
            assert len(stream.cluster.replicas or []) == SERVERS - 1
            for consumer in await manager.consumers_info(str(stream.config.name)):
                assert consumer.cluster is not None
                assert len(consumer.cluster.replicas or []) == SERVERS - 1


async def test_scalers_find_their_lag(cluster: Cluster) -> None:
    triggers = [
        trigger["metadata"]
        for scaler in manifests("components/keda/scalers.yaml")
        for trigger in scaler["spec"]["triggers"]
        if trigger["type"] == "nats-jetstream"
    ]
    assert len(triggers) == 6
    async with cluster.bus("gateway") as bus:
        for number in range(5):
            await bus.publish(subjects.DETECT, job(str(number)), str(number))
        for number in range(5, 8):
            await bus.publish(subjects.BULK, job(str(number)), str(number))

        async def all_found() -> bool:
            lags = {}
            for trigger in triggers:
                page = await asyncio.to_thread(_led_by, cluster, trigger)
                if page is None:
                    return False
                lags[trigger["consumer"]] = page["num_pending"] + page["num_ack_pending"]
            others = dict.fromkeys(("ocr", "attributes", "aggregator", "dispatcher"), 0)
            return lags == {"detector": 5, "detector_bulk": 3} | others

        await eventually(all_found, timeout=20)


def _led_by(cluster: Cluster, trigger: dict[str, str]) -> dict[str, Any] | None:
    """A consumer as its leader's monitoring shows it, asked for the way KEDA does."""
    for server in cluster.servers:
        with suppress(urllib.error.URLError):
            page = server.page(f"/jsz?acc={trigger['account']}&consumers=true&config=true")
            for account in page.get("account_details", []):
                for stream in account["stream_detail"] if account["name"] == trigger["account"] else []:
                    for consumer in stream.get("consumer_detail") or []:
                        found = (stream["name"], consumer["name"]) == (trigger["stream"], trigger["consumer"])
                        if found and consumer["cluster"]["leader"] == f"nats-{server.number}":
                            assert isinstance(consumer, dict)
                            return consumer
    return None


async def test_a_server_is_replaced_while_jobs_come(cluster: Cluster) -> None:
    published = 0
    async with cluster.bus("gateway") as bus:

        async def publish(until: asyncio.Event) -> None:
            nonlocal published
            while not until.is_set():
                await bus.publish(subjects.DETECT, job(str(published)), str(published))
                published += 1
                await asyncio.sleep(0.1)

        done = asyncio.Event()
        publishing = asyncio.create_task(publish(done))
        leaving = cluster.servers[0]
        await asyncio.to_thread(leaving.leave)
        assert not await asyncio.to_thread(leaving.healthy)
        leaving.start()
        async with asyncio.timeout(START_SECONDS):
            while not await asyncio.to_thread(leaving.healthy):
                await asyncio.sleep(0.2)
        done.set()
        await publishing
        assert await stored(bus, topology.JOBS) == published > 0


def test_users_are_those_of_compose() -> None:
    ours, theirs = ((FOLDER / path).read_text() for path in ("base/nats.conf", "../nats.conf"))
    start = "authorization {"
    assert ours[ours.index(start) :] == theirs[theirs.index(start) :]


def test_a_new_user_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    def make(*options: Path) -> dict[str, dict[str, str]]:
        made = subprocess.run(["bash", FOLDER / "secrets.sh", *options], check=True, capture_output=True, text=True)
        return {secret["metadata"]["name"]: secret["stringData"] for secret in yaml.safe_load_all(made.stdout)}

    first = make()
    for name, text in first["nats"].items():
        (tmp_path / name).write_text("".join(line for line in text.splitlines(True) if "_aggregator" not in line))
    second = make(tmp_path)

    assert second["nats"]["cluster.conf"] == first["nats"]["cluster.conf"]
    changed = {name for name in first if second[name] != first[name]}
    assert changed == {"nats", "nats-aggregator"}
    added = second["nats-aggregator"]["platelane_nats_password"]
    assert set(second["nats"]["passwords.conf"].splitlines()) - set(first["nats"]["passwords.conf"].splitlines()) == {
        f'password_aggregator: "{added}"'
    }


def test_every_service_mounts_the_secret_that_is_made_for_it() -> None:
    made = subprocess.run(["bash", FOLDER / "secrets.sh"], check=True, capture_output=True, text=True).stdout
    secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in yaml.safe_load_all(made)}
    pods = {
        pod["metadata"]["name"]: pod["spec"]["template"]["spec"]
        for file in ("topology", "gateway", "stages", "aggregator", "webhook-svc", "reads")
        for pod in manifests(f"base/{file}.yaml")
        if pod["kind"] in ("Deployment", "Job")
    }
    assert len(pods) == 8
    for name, pod in pods.items():
        [volume] = (volume for volume in pod["volumes"] if "secret" in volume)
        mounted = secrets.pop(volume["secret"]["secretName"])
        assert mounted["platelane_nats_user"].replace("_", "-") == name
    [server] = (
        source["secret"]
        for volume in manifests("base/nats.yaml")[0]["spec"]["template"]["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "secret" in source
    )
    assert secrets.keys() == {server["name"]}
    assert {item["key"] for item in server["items"]} == secrets[server["name"]].keys()
