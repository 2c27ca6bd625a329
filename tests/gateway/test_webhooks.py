"""`/v1/webhooks/` of real gateway processes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Stream
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import Queue, QueuePlan
from tests.support import wait_until

from .conftest import Gateway, NatsServer, running_gateway, running_nats


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("hooks")) as server:
        yield server


@pytest.fixture(scope="module")
def gateways(server: NatsServer) -> Iterator[tuple[Gateway, Gateway]]:
    with running_gateway(server) as one, running_gateway(server) as other:
        yield one, other


@pytest.fixture
def client(gateways: tuple[Gateway, Gateway]) -> Iterator[httpx.Client]:
    with gateways[0].client() as client:
        yield client
        for hook in client.get("/v1/webhooks/").json()["results"]:
            assert client.delete(f"/v1/webhooks/{hook['id']}/").status_code == 204


def create(client: httpx.Client, **fields: object) -> dict[str, Any]:
    response = client.post("/v1/webhooks/", json={"target": "http://127.0.0.1:9/x?key=k"} | fields)
    assert response.status_code == 201, response.text
    hook: dict[str, Any] = response.json()
    return hook


def test_life_of_a_hook_in_two_gateways(client: httpx.Client, gateways: tuple[Gateway, Gateway]) -> None:
    hook = create(client, format="form", headers={"Authorization": "Token x"}, secret="s", filter={"with_plate": True})
    path = f"/v1/webhooks/{hook['id']}/"
    with gateways[1].client() as other:
        wait_until(lambda: other.get(path).status_code != 404)
        shown = other.get(path).json()
        changed = other.patch(path, json={"enabled": False, "headers": shown["headers"], "concurrency": 2}).json()
        wait_until(lambda: client.get("/info/").json()["webhooks"] == [])
        enabled = client.post(path + "enable/").json()

    assert shown["target"] == "http://127.0.0.1:9/x", "what follows the ? may be a secret"
    assert (shown["headers"], shown["signed"]) == ({"Authorization": "***"}, True)
    assert "secret" not in shown
    assert shown["state"]["waiting"] == 0
    assert (changed["enabled"], changed["concurrency"], changed["format"]) == (False, 2, "form")
    assert changed["filter"]["with_plate"] is True
    assert enabled["enabled"] is True
    assert client.get("/info/").json()["webhooks"] == ["http://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target": "ftp://x/"}, "http:// or https://"),
        ({"target": "http://"}, "http:// or https://"),
        ({"target": 5}, "target"),
        ({"format": "xml"}, "format"),
        ({"colour": "red"}, "colour"),
        ({"filter": {"distance": 9}}, "filter.distance"),
        ({"filter": {"watch_list": ["--"]}}, "letter or digit"),
        ({"headers": {"Content-Length": "5"}}, "cannot be set"),
        ({"headers": {"X": "a\r\nB: c"}}, "printable"),
        ({"secret": "whsec_*"}, "base64"),
        ({"concurrency": 0}, "concurrency"),
        ({"mail": "nobody"}, "mail"),
    ],
)
def test_bad_hooks_are_refused(client: httpx.Client, fields: dict[str, object], said: str) -> None:
    response = client.post("/v1/webhooks/", json={"target": "http://a.example/"} | fields)
    assert response.status_code == 400
    assert said in response.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff"])
def test_bad_bodies(client: httpx.Client, body: bytes) -> None:
    assert client.post("/v1/webhooks/", content=body).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/webhooks/"), ("POST", "/v1/watchlists/"), ("POST", "/v1/tokens/"), ("PUT", "/v1/zones/gate")],
)
def test_an_empty_body_is_called_so(client: httpx.Client, method: str, path: str) -> None:
    for body in (b"", b" \r\n"):
        response = client.request(method, path, content=body)
        said = "The body is empty; it must be a JSON object."
        assert (response.status_code, response.json()["error"]) == (400, said)


def test_unknown_hook(client: httpx.Client) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "test/"), ("GET", "dead/")):
        response = client.request(method, f"/v1/webhooks/999/{path}", json={})
        assert (response.status_code, response.json()["status_code"]) == (404, 404)


def test_pages_of_other_sites_get_nothing(client: httpx.Client) -> None:
    for path in ("/v1/webhooks/", "/v1/results/", "/v1/events/"):
        assert client.get(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/v1/webhooks/", headers={"Origin": f"http://{client.base_url.netloc.decode()}"}).is_success


class _Receiver(BaseHTTPRequestHandler):
    bodies: ClassVar[list[bytes]]
    path_and_query = ""

    def do_POST(self) -> None:
        _Receiver.path_and_query = self.path
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.end_headers()
        self.wfile.write(b"queued")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def one_request() -> Iterator[str]:
    """The address of a receiver, whose one request has come when the block is left."""
    _Receiver.bodies = []
    with HTTPServer(("127.0.0.1", 0), _Receiver) as receiver:
        thread = threading.Thread(target=receiver.handle_request)
        thread.start()
        yield f"http://127.0.0.1:{receiver.server_port}/"
        thread.join()


def test_trial(client: httpx.Client) -> None:
    with one_request() as address:
        hook = create(client, target=address)
        answer = client.post(f"/v1/webhooks/{hook['id']}/test/").json()
    sent = json.loads(_Receiver.bodies[0])
    assert (answer["delivered"], answer["status"], answer["detail"]) == (True, 202, "queued")
    assert sent["hook"]["test"] is True
    assert sent["data"]["results"][0]["plate"] == "test123"


def test_a_hook_that_comes_back_as_it_was_shown_keeps_its_secrets(client: httpx.Client) -> None:
    with one_request() as address:
        hook = create(client, target=f"{address}in?key=secret")
        path = f"/v1/webhooks/{hook['id']}/"
        changed = client.patch(path, json={"target": hook["target"], "concurrency": 8}).json()
        client.post(f"{path}test/")
    assert (changed["target"], changed["concurrency"]) == (hook["target"], 8)
    assert "secret" not in changed["target"]
    assert _Receiver.path_and_query == "/in?key=secret"


def test_trial_that_fails(client: httpx.Client) -> None:
    hook = create(client)
    answer = client.post(f"/v1/webhooks/{hook['id']}/test/").json()
    assert (answer["delivered"], answer["status"]) == (False, None)
    assert answer["detail"] == "Connection refused"


def test_tokens_see_their_own_hooks(tmp_path: Path) -> None:
    given = "http://everybody.example/"
    with (
        running_nats(tmp_path) as server,
        running_gateway(
            server, profile="cloud", tokens="one,two", webhook_targets=given, webhook_networks="127.0.0.0/8"
        ) as gateway,
        gateway.client() as client,
    ):
        one, two = {"Authorization": "Token one"}, {"Authorization": "Token two"}
        made = client.post("/v1/webhooks/", json={"target": "http://127.0.0.1:9/one"}, headers=one).json()
        path = f"/v1/webhooks/{made['id']}/"
        assert client.get("/v1/webhooks/").status_code == 403
        assert client.get(path, headers=two).status_code == 404
        assert client.delete(path, headers=two).status_code == 404
        seen = client.get("/v1/webhooks/", headers=one).json()["results"]
        assert [hook["target"] for hook in seen] == ["http://127.0.0.1:9"], "the operator's are nobody else's business"


def test_tokens_post_to_no_private_address(tmp_path: Path) -> None:
    private = [
        "http://127.0.0.1:9/",
        "http://localhost/",
        "http://169.254.169.254/x",
        "http://[::1]:9/",
        "http://2130706433/",
    ]
    with (
        running_nats(tmp_path) as server,
        running_gateway(server, profile="cloud", tokens="one") as strict,
        running_gateway(server, profile="cloud", tokens="one", webhook_networks="127.0.0.0/8") as allowing,
        strict.client() as client,
        allowing.client() as other,
        one_request() as address,
    ):
        client.headers["Authorization"] = other.headers["Authorization"] = "Token one"
        for target in private:
            refused = client.post("/v1/webhooks/", json={"target": target})
            assert (refused.status_code, refused.json()["detail"]) == (
                400,
                "target: the host has an address that webhooks may not be sent to.",
            ), target
        public = client.post("/v1/webhooks/", json={"target": "http://8.8.8.8/x"})
        assert public.status_code == 201
        path = f"/v1/webhooks/{public.json()['id']}/"
        assert client.patch(path, json={"target": private[0]}).status_code == 400
        assert client.patch(path, json={"concurrency": 2}).status_code == 200
        assert other.patch(path, json={"target": address}).status_code == 200
        wait_until(lambda: client.get(path).json()["target"] == address)
        refused = client.post(f"{path}test/")
        assert refused.json()["detail"] == "The host has an address that this server may not connect to."
        answer = other.post(f"{path}test/").json()
        assert (answer["delivered"], answer["status"], answer["detail"]) == (True, 202, "")


def test_a_target_as_lists_show_it_is_not_mistaken_for_another(client: httpx.Client) -> None:
    path = f"/v1/webhooks/{create(client, target='http://127.0.0.1:9/secret')['id']}/"
    refused = client.patch(path, json={"target": "http://127.0.0.1:9"})
    assert (refused.status_code, "only the host" in refused.json()["detail"]) == (400, True)
    assert client.get(path).json()["target"] == "http://127.0.0.1:9/secret"
    assert client.patch(path, json={"target": "http://127.0.0.1:9/"}).json()["target"] == "http://127.0.0.1:9/"


def test_hooks_of_the_environment_are_the_operators(tmp_path: Path) -> None:
    environment: dict[str, Any] = {"webhook_targets": "http://everybody.example/"}
    requests = [
        *(("GET", ""), ("PATCH", ""), ("DELETE", "")),
        *(("GET", "dead/"), ("POST", "replay/"), ("POST", "enable/"), ("POST", "test/")),
    ]
    with (
        running_nats(tmp_path) as server,
        running_gateway(server, profile="cloud", tokens="one", **environment) as cloud,
        running_gateway(server, **environment) as on_premise,
        cloud.client() as tenant,
        on_premise.client() as operator,
    ):
        tenant.headers["Authorization"] = "Token one"
        assert tenant.get("/v1/webhooks/").json()["results"] == []
        (listed,) = operator.get("/v1/webhooks/").json()["results"]
        path = f"/v1/webhooks/{listed['id']}/"
        refused = [tenant.request(method, path + what, json={}).status_code for method, what in requests]
        answers = [operator.request(method, path + what, json={}).status_code for method, what in requests]
        shown = tenant.get("/info/").json()["webhooks"]
    assert listed["from_environment"] is True
    assert refused == [404] * len(requests)
    assert answers == [200, 400, 400, 200, 200, 200, 200]
    assert shown == []


async def test_pictures_are_kept_only_for_who_sends_them(served: NatsServer, picture: bytes) -> None:
    with running_gateway(served) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=10) as client:

            async def read(camera: str) -> None:
                data = {"camera_id": camera}
                response = await client.post("/v1/plate-reader/", files={"upload": picture}, data=data)
                assert response.status_code == 200

            await read("wanted")
            fields = {"target": "http://127.0.0.1:9/", "format": "multipart", "filter": {"cameras": ["wanted"]}}
            hook = (await client.post("/v1/webhooks/", json=fields)).json()
            await read("wanted")
            await read("other")
            await client.delete(f"/v1/webhooks/{hook['id']}/")
            await read("wanted")
    bus = await Bus.connect(Settings(nats_url=served.url), "test")
    kept = await bus.stream(topology.KV_IMAGES).read(subjects.image("*"), 1, 10)
    await bus.close()
    assert [record.data for record in kept] == [picture]


async def test_who_hangs_up_at_once_still_gets_the_event(
    server: NatsServer, client: httpx.Client, gateways: tuple[Gateway, Gateway], picture: bytes
) -> None:
    create(client, format="multipart")
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    jobs = bus.stream(topology.JOBS)
    before = await _messages(jobs)
    body = picture + bytes(300_000)  # long enough to be kept for a while before the job is sent
    head = (
        f"POST /v1/plate-reader/ HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(10):
        with socket.create_connection((gateways[0].host, gateways[0].port), 5) as connection:
            connection.sendall(head.encode() + body)
            await asyncio.sleep(0.001)
    async with asyncio.timeout(10):
        while await _messages(jobs) < before + 10:
            await asyncio.sleep(0.05)
    await bus.close()


async def _messages(stream: Stream) -> int:
    state = await stream.state()
    return int(state["messages"]) if state else 0


def test_a_hook_for_whose_events_there_is_no_room_is_refused(tmp_path: Path) -> None:
    small = {"queue_limit": 10, "results_bytes": 1_000_000, "image_bytes": 10_000_000, "crops_bytes": 10_000_000}
    with (
        running_nats(tmp_path, room="2GB") as nats,
        running_gateway(nats, **small) as gateway,
        gateway.client() as client,
    ):
        answers = [client.post("/v1/webhooks/", json={"target": "http://a.example/"}) for _ in range(40)]
        made = [answer for answer in answers if answer.status_code == 201]
        assert 0 < len(made) < len(answers)
        assert {answer.status_code for answer in answers[len(made) :]} == {503}
        assert "storage" in answers[-1].json()["detail"]
        assert len(client.get("/v1/webhooks/").json()["results"]) == len(made)


def command(gateway: Gateway, *arguments: str) -> str:
    """What `platelane hooks ...` prints."""
    line = [sys.executable, "-m", "platelane.cli", "hooks", *arguments, "--url", gateway.url]
    result = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_command(client: httpx.Client, gateways: tuple[Gateway, Gateway], tmp_path: Path) -> None:
    gateway = gateways[0]
    (tmp_path / "wanted.txt").write_text("AB 123  # mine\n\n# nothing\nxyz\n")
    watch = ("--watch-list", str(tmp_path / "wanted.txt"))
    made = json.loads(command(gateway, "create", "http://a.example/", "--header", "X-Key: a:b", "--with-plate"))
    number = str(made["id"])
    changed = json.loads(command(gateway, "change", number, *watch, "--distance", "1", "--max-queued", "9"))
    assert changed["filter"] == made["filter"] | {"watch_list": ["ab123", "xyz"], "distance": 1}
    assert (changed["max_queued"], changed["headers"]) == (9, {"X-Key": "***"})
    command(gateway, "disable", number)
    assert client.get(f"/v1/webhooks/{number}/").json()["enabled"] is False
    assert "disabled" in command(gateway, "list")
    assert json.loads(command(gateway, "enable", number))["enabled"] is True
    assert command(gateway, "delete", number) == ""
    assert client.get("/v1/webhooks/").json()["results"] == []


async def test_dead_letters(server: NatsServer, client: httpx.Client, gateways: tuple[Gateway, Gateway]) -> None:
    hook = create(client)
    path = f"/v1/webhooks/{hook['id']}"
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    queue = Queue(bus, hook["id"])
    await queue.ensure(QueuePlan(hook["id"], 0, 1, 10))
    for name in ("a", "b", "c"):
        delivery = stages_pb2.Delivery(result=stages_pb2.Result(recognition=domain_pb2.Recognition(filename=name)))
        subject = subjects.delivery(hook["id"], "3")
        letter = stages_pb2.DeadLetter(subject=subject, data=delivery.SerializeToString(), reason="HTTP 500")
        await bus.publish(subjects.dead(f"HOOK_{hook['id']}"), letter, name)

    def dead() -> dict[str, int]:
        return {each["data"]["filename"]: each["number"] for each in client.get(f"{path}/dead/").json()["results"]}

    numbers = dead()
    shown = await asyncio.to_thread(command, gateways[0], "dead", str(hook["id"]))
    one = client.post(f"{path}/replay/", json={"numbers": [numbers["b"], 999, numbers["b"]]}).json()
    left, waiting = dead(), await queue.waiting()
    rest = client.post(f"{path}/replay/").json()

    assert list(numbers) == ["a", "b", "c"]
    assert shown.count("HTTP 500") == 3
    assert (one, set(left), waiting) == ({"replayed": 1}, {"a", "c"}, 1)
    assert (rest, dead(), await queue.waiting()) == ({"replayed": 2}, {}, 3)
    assert client.post(f"{path}/replay/", json={"numbers": ["x"]}).status_code == 400
    assert client.get(f"{path}/dead/?start=x").status_code == 400
    await bus.close()
