"""Callers that send one photograph repeatedly, and the processor time that the system takes meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

import httpx
import psutil

from platelane.local.state import State

CALLERS: Final = 4
"""Concurrent calls, as in the vendor's own benchmark."""
PATH: Final = "/v1/plate-reader/"

_MODEL: Final = re.compile(r"/models/(\w+)/")
"""Matches the arguments of the process in which Triton runs a model."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A form, encoded once, because the client's encoding is not to be measured."""

    body: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, photo: bytes, mode: str = "regular", *, mmc: bool = False) -> Upload:
        data = {"config": json.dumps({"mode": mode}), **({"mmc": "true"} if mmc else {})}
        request = httpx.Request("POST", "http://localhost/", files={"upload": photo}, data=data)
        return cls(request.read(), {"Content-Type": request.headers["Content-Type"]})


@dataclass(frozen=True, slots=True)
class CallTimes:
    """The result of a number of calls. `wall`: the total wall time divided by the calls, in ms; `latencies`: those of
    each call; `plates`: what was read, and how often."""

    wall: float
    latencies: list[float]
    plates: Counter[str]


def send(url: str, upload: Upload, calls: int, callers: int = CALLERS) -> CallTimes:
    """Send calls. Raises httpx.HTTPStatusError if one is not answered with success."""
    return asyncio.run(_send(url, upload, calls, callers))


async def _send(url: str, upload: Upload, calls: int, callers: int) -> CallTimes:
    latencies: list[float] = []
    plates: Counter[str] = Counter()
    left = iter(range(calls))

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            start = time.perf_counter()
            answer = await client.post(PATH, content=upload.body, headers=upload.headers)
            latencies.append((time.perf_counter() - start) * 1000)
            results = answer.raise_for_status().json()["results"]
            plates[" ".join(result["plate"] for result in results)] += 1

    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        start = time.perf_counter()
        await asyncio.gather(*(caller(client) for _ in range(callers)))
        return CallTimes((time.perf_counter() - start) * 1000 / calls, latencies, plates)


def cpu_seconds(state: State) -> dict[str, float]:
    """Processor seconds used so far by each service, in all of its processes; Triton's are listed by model.

    Raises:
        RuntimeError: a process has died.
    """
    used: defaultdict[str, float] = defaultdict(float)
    for name, process in state.processes.items():
        if process.pid is None:
            raise RuntimeError(f"{name} has died")
        service = re.sub(r"-\d+$", "", name)
        for each in with_children(process.pid):
            model = _MODEL.search(" ".join(each.cmdline())) if service == "triton" else None
            used[f"{service}: {model[1]}" if model else service] += sum(each.cpu_times()[:2])
    return used


def with_children(pid: int) -> list[psutil.Process]:
    """A process and its children, because Triton's models and the detector's decoders run in separate processes."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
