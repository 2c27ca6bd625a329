"""Checks that the server answers whatever clients send: real requests damaged in every layer, and made-up ones.

Failures are answers with a status of 500 or above, except 503; answers that are not JSON of the documented shape;
complete requests without an answer; and services that died meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import json
import os
import random
import socket
import statistics
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import orjson
import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image
from tqdm import tqdm

from benchmarks import hostile, results, stack
from platelane.local.state import State
from tests.pictures import greedy, many_scans

REQUESTS: Final = 22_000
SEED: Final = 5
_IN_FLIGHT: Final = 16
_PATIENCE: Final = 20.0
_TRICKLES: Final = 20
_HANG_UPS: Final = 200
_HELD: Final = 0.05
"""The longest that the gateway's event loop may be blocked, in seconds; the target is 20 ms."""
_PATH: Final = "/v1/plate-reader/"
_CONFIG: Final = {"mode": "fast", "detection_rule": "strict", "threshold_d": 0.2, "text_formats": ["[a-z]{3}[0-9]{3}"]}
_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1e308, -0.0, 2**63, 10**400, "", " ", "\x00", "null", "NaN", "é\ud7ff",
    "\U0001f697" * 300, "a" * 5_000, "../../etc/passwd", "%00%0d%0a", "{}", "[", '{"mode"', "(a+)+$", "(" * 90,
    "2019-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", [], [[]], {}, {"a": {"b": [1, None]}}, ["x"] * 300,
    "http://127.0.0.1:1/", "http://[::1", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
)  # fmt: skip
_KEYS: Final = (
    "upload", "upload_url", "regions", "region", "camera_id", "timestamp", "mmc", "config", "direction", "plates", "x",
)  # fmt: skip
_CONFIG_KEYS: Final = (
    "mode", "detection_rule", "detection_mode", "region", "threshold_d", "threshold_o", "text_formats",
    "plates_per_vehicle", "zoom_in_vehicles", "unknown",
)  # fmt: skip
_TYPES: Final = (
    "multipart/form-data; boundary=x", "multipart/form-data", 'multipart/form-data; boundary="', "application/json",
    "application/x-www-form-urlencoded", "image/jpeg", "text/plain; charset=utf-16", "", "x" * 300, "a/b; c=é",
)  # fmt: skip


_HOOK: Final = {"target": "http://127.0.0.1:1/", "enabled": False, "filter": {"plates": ["a*"], "distance": 1}}
_HOOK_KEYS: Final = (*_HOOK, "headers", "secret", "mail", "concurrency", "format")
_TOKEN: Final = "fuzz-token"


@dataclass(frozen=True, slots=True)
class Request:
    """A request; it is counted under `kind`. `authorization` is for the gateway of the cloud profile."""

    kind: str
    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    authorization: bytes | None = None


@dataclass(slots=True)
class Tally:
    """The answers."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, request: Request, status: int, content: bytes, started: float) -> None:
        """Count and check an answer."""
        self.milliseconds.append((time.perf_counter() - started) * 1000)
        self.statuses.setdefault(request.kind, Counter())[status] += 1
        problem = _problem(request, status, content)
        if problem:
            self.failures.append(f"{problem}: {request.method} {request.path[:80]!r} {request.body[:300]!r}")

    @property
    def answers(self) -> int:
        return len(self.milliseconds)


def _problem(request: Request, status: int, content: bytes) -> str:
    if status >= 500 and status != 503:
        return f"status {status}"
    if (
        status == 0
        or request.method in ("HEAD", "OPTIONS")
        or status == 204
        or (request.path.startswith("/docs") and status == 200)
    ):
        return ""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return f"status {status} without JSON"
    if status >= 400 and not (answer.get("status_code") == status and answer.get("error") and answer.get("detail")):
        return f"status {status} with an unexpected error {content[:200]!r}"
    return ""


class Maker:
    """Makes requests from pictures, using a random generator."""

    def __init__(self, photo: Path, rng: random.Random) -> None:
        self._rng = rng
        self._pictures = _pictures(photo)
        self.picture = self._pictures[0]
        self._fields = {"regions": "mx,us-ca", "config": json.dumps(_CONFIG), "mmc": "true", "camera_id": "gate"}

    def damaged(self) -> Request:
        """A real request in a random encoding, with a few bytes or the declared type changed."""
        content_type, body = self._rng.choice((self._multipart, self._urlencoded, self._json, self._bare))()
        for _ in range(self._rng.randint(1, 4)):
            body = self._damage(body)
        if self._rng.random() < 0.3:
            content_type = self._rng.choice(_TYPES)
        return Request(
            "bytes damaged",
            "POST",
            self._rng.choice((_PATH, "/alpr", "//v1//plate-reader", "/v1/blur")),
            body,
            content_type,
        )

    def damaged_picture(self) -> Request:
        """An intact form with a damaged picture."""
        picture = self._rng.choice(self._pictures)
        for _ in range(self._rng.randint(1, 6)):
            picture = self._damage(picture)
        content_type, body = self._multipart(picture)
        return Request("pictures damaged", "POST", _PATH, body, content_type)

    def greedy_pictures(self) -> Iterator[tuple[str, list[Request]]]:
        """Pictures that claim a larger length, count, size or number of scans than they have, by format."""
        scans = (
            (f"JPEG, {count} scans of {width} x {height}", many_scans(width, height, count))
            for width, height, count in ((7_000, 7_000, 4_000), (7_000, 7_000, 15), (16, 16, 30_000))
        )
        named = itertools.chain(scans, greedy())
        for kind, group in itertools.groupby(named, lambda each: each[0].partition(",")[0]):
            bodies = (self._multipart(picture) for _, picture in group)
            yield kind, [Request("pictures that claim too much", "POST", _PATH, body, type) for type, body in bodies]

    def odd_fields(self) -> Request:
        """An intact request with unexpected values, mostly with something that is not a picture."""
        fields: dict[str, Any] = {self._rng.choice(_KEYS): self._odd() for _ in range(self._rng.randint(1, 5))}
        if self._rng.random() < 0.7:
            fields["config"] = {self._rng.choice(_CONFIG_KEYS): self._odd() for _ in range(self._rng.randint(0, 4))}
        if self._rng.random() < 0.15:
            fields["upload"] = base64.b64encode(self._rng.choice(self._pictures)).decode()
        path = self._rng.choice((_PATH, _PATH, "/v1/blur/"))
        if self._rng.random() < 0.5:
            return Request("fields odd", "POST", path, json.dumps(fields).encode(), "application/json")
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
        body = urlencode(texts, errors="surrogatepass").encode()
        return Request("fields odd", "POST", path, body, "application/x-www-form-urlencoded")

    def odd_zones(self) -> Request:
        """Invalid zones, of cameras with odd names."""
        zones = {"zones": [{"name": "sign", "polygon": [[0, 0], [1, 0], [1, 1]]}]}
        body = json.dumps(zones).encode()
        for _ in range(self._rng.randint(0, 3)):
            body = self._damage(body)
        if self._rng.random() < 0.3:
            body = json.dumps({"zones": self._odd()}).encode()
        camera = quote(self._rng.choice((self._word(), "gate", "a/b", ".", "..", "%", "é*>", "x" * 1_200)), safe="")
        return Request("zones odd", self._rng.choice(("PUT", "PUT", "GET", "DELETE")), f"/v1/zones/{camera}", body)

    def odd_webhook(self) -> Request:
        """Invalid webhooks and changes of webhooks, and all other operations on them."""
        whole = json.dumps(_HOOK).encode()
        odd = json.dumps({**_HOOK, self._rng.choice(_HOOK_KEYS): self._odd()}).encode()
        data = self._rng.choice((whole, odd, odd, self._damage(odd)))
        one = f"/v1/webhooks/{self._rng.randint(1, 12)}/"
        numbers = json.dumps({"numbers": self._rng.choice(([1], [-1], [0, 2**63], *_ODD))}).encode()
        start = quote(str(self._rng.choice(("1", "-1", "0", 2**63, self._word()))))
        method, path, body = self._rng.choice(
            (
                ("POST", "/v1/webhooks/", data), ("POST", "/v1/webhooks", data), ("PATCH", one, data),
                ("PATCH", one, data), ("GET", one, b""), ("DELETE", one, b""), ("POST", f"{one}enable", b""),
                ("POST", f"{one}test", b""), ("POST", f"{one}replay", numbers),
                ("GET", f"{one}dead?start={start}", b""),
            )
        )  # fmt: skip
        return Request("webhooks odd", method, path, body, "application/json")

    def odd_token(self) -> Request:
        """Requests to the cloud profile with its token in all spellings, without one, and with invalid ones."""
        content_type, body = self._multipart()
        method, path = self._rng.choice(
            (
                ("POST", _PATH), ("POST", "/v1/blur/"), ("GET", "/v1/statistics/"), ("GET", "/info/"),
                ("GET", "/v1/zones/"), ("PUT", "/v1/zones/gate"), ("GET", "/v1/webhooks/"), ("POST", "/v1/webhooks/"),
                ("GET", "/v1/results/"), ("OPTIONS", _PATH),
            )
        )  # fmt: skip
        token = self._rng.choice(
            (
                f"Token {_TOKEN}", f"token  {_TOKEN}", _TOKEN, f"Bearer {_TOKEN}", f"Token {_TOKEN[:-1]}", "Token", "",
                f"Token {_TOKEN}\x00", "Basic Og==", "é" * 9, f"Token {'x' * 30_000}", self._word(),
            )
        )  # fmt: skip
        # `raw` covers what no HTTP library would send
        sent = bytes(byte for byte in token.encode() if byte >= 0x20 and byte != 0x7F).strip()
        if method != "POST":
            body = b"" if method != "PUT" else b'{"zones": []}'
        return Request("tokens odd", method, path, body, content_type if method == "POST" else "", sent)

    def odd_path(self) -> Request:
        """Any method on any path."""
        word = quote(self._word())
        number = self._rng.choice(("1", "-1", "0", "9" * 5_000, "%C2%B2", "1e9", "nan"))
        paths = (
            "/", "/info/", "/v1/statistics", "/docs", "/openapi.json", "/v1/zones", "/v1/blur", "/v1/regions", _PATH,
            f"/v1/results?page_size={number}", f"/v1/results?before={number}", f"/v1/results?since={word}",
            f"/v1/results?plate={word}", f"/v1/webhooks/{number}", f"/v1/webhooks/{number}/dead", f"/{word}",
        )  # fmt: skip
        methods = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")
        path = self._rng.choice(paths) + self._rng.choice(("", "", "?a=b", "/..", "//", "/%00", "/%ff"))
        return Request("paths and methods", self._rng.choice(methods), path, self._word().encode())

    def raw(self, host: str) -> bytes:
        """The bytes of a request, whose head may be damaged too."""
        content_type, body = self._multipart(self._pictures[0])
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        whole = head.encode() + body
        for _ in range(self._rng.randint(1, 3)):
            cut = self._rng.randrange(len(head))
            whole = whole[:cut] + self._damage(whole[cut : cut + 40]) + whole[cut + 40 :]
        return whole

    def _multipart(self, picture: bytes | None = None) -> tuple[str, bytes]:
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self._fields.items()
        ]
        upload = '--x\r\nContent-Disposition: form-data; name="upload"; filename="car.jpg"\r\n\r\n'
        picture = picture or self._rng.choice(self._pictures)
        body = "".join(parts).encode() + upload.encode() + picture + b"\r\n--x--\r\n"
        return "multipart/form-data; boundary=x", body

    def _urlencoded(self) -> tuple[str, bytes]:
        return "application/x-www-form-urlencoded", urlencode({**self._fields, "upload": self._text()}).encode()

    def _json(self) -> tuple[str, bytes]:
        return "application/json", json.dumps({**self._fields, "config": _CONFIG, "upload": self._text()}).encode()

    def _bare(self) -> tuple[str, bytes]:
        return "image/jpeg", self._rng.choice(self._pictures)

    def _text(self) -> str:
        return base64.b64encode(self._rng.choice(self._pictures)).decode()

    def _odd(self) -> Any:
        return self._rng.choice(_ODD) if self._rng.random() < 0.8 else self._word()

    def _word(self) -> str:
        return "".join(self._rng.choices(string.printable, k=self._rng.randint(1, 30)))

    def _damage(self, data: bytes) -> bytes:
        at, size = self._rng.randint(0, len(data)), self._rng.choice((1, 2, 8, 60, 1_000))
        match self._rng.randrange(5):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + data[at + size :]
            case 2:
                return data[:at] + self._rng.randbytes(size) + data[at + size :]
            case 3:
                return data[:at] + data[at : at + size] * 2 + data[at + size :]
        noise = self._rng.choice(
            (b"\r\n--x\r\n", b"\r\n--x--", b'"', b"{", b"}", b"%", b"&", b"=", b"\x00", b"\r\n", b"\xff")
        )
        return data[:at] + noise + data[at:]


def _pictures(photo: Path) -> list[bytes]:
    """Small pictures in every format, because the models are not under test."""
    encoded = []
    with Image.open(photo) as whole:
        small = whole.convert("RGB").resize((160, 90))
    for name in ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM"):
        buffer = io.BytesIO()
        small.save(buffer, name)
        encoded.append(buffer.getvalue())
    return encoded


async def send_all(url: str, cloud: str, requests: Iterable[Request], tally: Tally) -> None:
    """Send the requests, `_IN_FLIGHT` at a time; those with tokens to the gateway at `cloud`."""
    async with httpx.AsyncClient(timeout=_PATIENCE, trust_env=False) as client:
        await _several_at_once(
            _send(client, url if request.authorization is None else cloud, request, tally)
            for request in tqdm(requests, desc="fuzz", unit="request")
        )


async def send_hostile(url: str, maker: Maker, tally: Tally) -> int:
    """Send bodies and heads that are expensive to process, while other clients disconnect or trickle; returns how many
    trickling clients were ended."""
    trickling = asyncio.create_task(hostile.trickle(url, _TRICKLES))
    leaving = asyncio.create_task(hostile.hang_up(url, maker.picture, _HANG_UPS))
    async with httpx.AsyncClient(timeout=3 * _PATIENCE, trust_env=False) as client:
        for name, content_type, body, encoding in tqdm(list(hostile.bodies(maker.picture)), desc="hostile"):
            request = Request("made to cost", "POST", _PATH, body, content_type)
            headers = {"Content-Encoding": encoding} if encoding else {}
            started = time.perf_counter()
            try:
                response = await client.post(
                    url + _PATH, content=body, headers=headers | {"Content-Type": content_type}
                )
            except httpx.TransportError as error:
                tally.failures.append(f"no answer ({error!r}) to {name}")
            else:
                tally.add(request, response.status_code, response.content, started)
    await _send_heads(url, tally)
    await leaving
    return await trickling


async def _send_heads(url: str, tally: Tally) -> None:
    address = urlsplit(url)
    for head in hostile.heads(address.netloc):
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        answer = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                writer.write(head)
                answer = await reader.read(65536)
        writer.close()
        status = int(answer.split(b" ", 2)[1]) if answer else 0
        tally.add(Request("heads made to cost", "POST", _PATH, head), status, answer.partition(b"\r\n\r\n")[2], started)


@dataclass(frozen=True, slots=True)
class LoopStalls:
    """How long the gateway's event loop was blocked at most, in seconds, and how often for more than 20 ms."""

    longest: float
    often: int
    looks: int

    def summary(self) -> str:
        """A sentence about it."""
        return (
            f"The gateway's event loop was never blocked for more than {self.longest * 1e3:.0f} ms at a time, and in "
            f"{self.often} of {self.looks:,} measurements for more than 20 ms."
        )


def _loop(state: State) -> LoopStalls:
    """The gateway's metrics of its event loop since it started."""
    page = state.processes["gateway"].ready_url.replace("/readyz", "/metrics")
    lines = httpx.get(page, trust_env=False).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("platelane_loop"))
    looks = int(float(values["platelane_loop_held_seconds_count"]))
    short = int(float(values['platelane_loop_held_seconds_bucket{le="0.02"}']))
    return LoopStalls(float(values["platelane_loop_longest_seconds"]), looks - short, looks)


async def _several_at_once(work: Iterator[Coroutine[Any, Any, None]]) -> None:
    async def worker() -> None:
        for each in work:
            await each

    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))


async def _send(client: httpx.AsyncClient, url: str, request: Request, tally: Tally) -> None:
    started = time.perf_counter()
    headers = [(b"Content-Type", request.content_type.encode())] if request.content_type else []
    if request.authorization:
        headers.append((b"Authorization", request.authorization))
    try:
        response = await client.request(request.method, url + request.path, content=request.body, headers=headers)
    except httpx.TransportError as error:
        tally.failures.append(f"no answer ({error!r}): {request.method} {request.path[:80]!r} {request.body[:300]!r}")
        return
    tally.add(request, response.status_code, response.content, started)


async def send_raw(url: str, maker: Maker, count: int, tally: Tally) -> None:
    """Send damaged bytes over separate connections, each of which must soon be answered or closed."""
    address = urlsplit(url)

    async def send(data: bytes) -> None:
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            async with asyncio.timeout(_PATIENCE):
                writer.write(data)
                writer.write_eof()
                answer = await reader.read()
        except ConnectionError:
            answer = b""
        except TimeoutError:
            tally.failures.append(f"neither answered nor closed: {data[:300]!r}")
            return
        finally:
            writer.close()
        head, _, content = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1]) if head else 0
        tally.add(Request("HTTP damaged", "POST", _PATH, data), status, content if head else b"{}", started)

    await _several_at_once(send(maker.raw(address.netloc)) for _ in tqdm(range(count), desc="raw", unit="request"))


def mutated(maker: Maker, count: int) -> Iterator[Request]:
    """Damaged requests of all kinds."""
    families: tuple[tuple[Callable[[], Request], int], ...] = (
        (maker.damaged, 36), (maker.odd_fields, 28), (maker.damaged_picture, 10), (maker.odd_zones, 6),
        (maker.odd_webhook, 6), (maker.odd_token, 6), (maker.odd_path, 8),
    )  # fmt: skip
    chosen = random.Random(SEED).choices([make for make, _ in families], [weight for _, weight in families], k=count)
    return (make() for make in chosen)


def made_up(picture: bytes, count: int) -> list[Request]:
    """Requests generated by hypothesis: any JSON, any text in the fields, some with the picture."""
    json_values = st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=8,
    )
    keys = st.sampled_from(_KEYS) | st.text(max_size=12)
    uploads = st.sampled_from([{"upload": base64.b64encode(picture).decode()}, *[{}] * 11])
    fields = st.dictionaries(
        keys, json_values | st.dictionaries(st.sampled_from(_CONFIG_KEYS), json_values), max_size=6
    )
    bodies = st.builds(lambda made_up, upload: {**made_up, **upload}, fields, uploads)
    types = st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    encoded = bodies.map(lambda body: json.dumps(body).encode()) | bodies.map(_form) | st.binary(max_size=300)
    requests: list[Request] = []

    @seed(SEED)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(body=encoded, content_type=types)
    def collected(body: bytes, content_type: str) -> None:
        requests.append(Request("made up (hypothesis)", "POST", _PATH, body, content_type))

    collected()
    return requests


def _form(fields: dict[str, Any]) -> bytes:
    return urlencode({key: str(value) for key, value in fields.items()}, errors="surrogatepass").encode()


def send_greedy(state: State, maker: Maker, tally: Tally) -> list[list[str]]:
    """Send the pictures that claim too much; returns a row for each kind: requests, slowest, and the peak memory of the
    detector's processes, of the largest one and of all together."""
    rows = []
    detector = psutil.Process(state.processes["detector"].pid)
    for kind, requests in maker.greedy_pictures():
        for process in (detector, *detector.children(recursive=True)):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # resets the peak
        before = len(tally.milliseconds)
        asyncio.run(send_all(state.url, state.url, requests, tally))
        peaks = [_peak(process.pid) for process in (detector, *detector.children(recursive=True))]
        slowest = max(tally.milliseconds[before:], default=0.0)
        rows.append([kind, str(len(requests)), f"{slowest:.0f}", f"{max(peaks):.0f}", f"{sum(peaks):.0f}"])
    return rows


def _peak(pid: int) -> float:
    """Peak memory of a process in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # a decoder that was replaced meanwhile
        return 0.0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def main(photo: Path, requests: int = REQUESTS) -> None:
    """Run and write the section of RESULTS.md.

    Raises:
        RuntimeError: something failed; the first failures are in the message.
    """
    tally, rng = Tally(), random.Random(SEED)
    maker = Maker(photo, rng)
    generated = made_up(maker.picture, requests // 5)
    rest = requests - len(generated) - requests // 20
    with stack.running() as state, _cloud_gateway(state) as cloud:
        before, memory = _processes(state), _memory(state)
        started = time.monotonic()
        asyncio.run(send_raw(state.url, maker, requests // 20, tally))
        asyncio.run(send_all(state.url, cloud, itertools.chain(generated, mutated(maker, rest)), tally))
        claims = send_greedy(state, maker, tally)
        slowed = asyncio.run(send_hostile(state.url, maker, tally))
        held = _loop(state)
        seconds, grown = time.monotonic() - started, _memory(state) - memory
        if _processes(state) != before:
            tally.failures.append("a service died")
        answer = httpx.post(
            f"{state.url}{_PATH}", files={"upload": photo.read_bytes()}, timeout=_PATIENCE, trust_env=False
        )
        if not answer.json().get("results"):
            tally.failures.append(f"afterwards the photograph is answered with {answer.text[:200]}")
    if held.longest > _HELD:
        tally.failures.append(f"the gateway's loop was held for {held.longest * 1e3:.0f} ms")
    print(held.summary())
    if tally.failures:
        raise RuntimeError(f"{len(tally.failures)} failures, the first of them:\n" + "\n".join(tally.failures[:20]))
    summary = f"{held.summary()} {slowed} of {_TRICKLES} trickled uploads were ended with 408."
    _record(tally, claims, seconds, grown, summary)


@contextmanager
def _cloud_gateway(state: State) -> Iterator[str]:
    """Run a second gateway on the same NATS, which requires tokens; yields its address.

    Raises:
        RuntimeError: it does not start, or dies meanwhile.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"NATS_URL": state.nats_url, "PORT": str(port), "GRPC_PORT": "0", "PROFILE": "cloud", "TOKENS": _TOKEN}
    environment = {f"PLATELANE_{name}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"], env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + stack.START_SECONDS
        while not _answers(url):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError("The gateway of the cloud profile does not start.")
            time.sleep(0.1)
        yield url
        if process.poll() is not None:
            raise RuntimeError("The gateway of the cloud profile died.")
    finally:
        process.terminate()
        process.wait(stack.STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _processes(state: State) -> dict[str, int | None]:
    return {name: process.pid for name, process in state.processes.items()}


def _memory(state: State) -> float:
    """Memory of the gateway in MB."""
    return psutil.Process(state.processes["gateway"].pid).memory_info().rss / 1e6


def _record(tally: Tally, claims: list[list[str]], seconds: float, grown: float, more: str) -> None:
    columns = sorted({status for each in tally.statuses.values() for status in each})
    rows = [
        [kind, str(counts.total()), *(str(counts[status] or "") for status in columns)]
        for kind, counts in sorted(tally.statuses.items())
    ]
    slowest = statistics.quantiles(tally.milliseconds, n=1_000)[-1]
    names = ["closed" if status == 0 else str(status) for status in columns]
    results.record(
        "Damaged and made-up requests (`python -m benchmarks fuzz`)",
        f"{tally.answers:,} requests to the whole system (seed {SEED}), {seconds:.0f} s. **No status 500, no answer "
        "without JSON, no request without an answer, no service died.** "
        f"One in a thousand took longer than {slowest:.0f} ms; the gateway grew by {grown:.0f} MB. {more}\n\n"
        + results.table(["requests", "sent", *names], rows)
        + "\n\nPictures that claim a larger length, count, size or number of scans than they have, and the time and "
        "memory of the detector's processes:\n\n"
        + results.table(["format", "sent", "slowest, ms", "largest process, MB", "all, MB"], claims),
    )
