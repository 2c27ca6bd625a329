"""The gateway's memory while many large uploads arrive at once, and the answers to those over its budget."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import psutil

from benchmarks import results, stack
from platelane.runtime import memory
from platelane.runtime.settings import LARGEST_UPLOAD

AT_ONCE: Final = 64
SIZE: Final = 30_000_000
_LOOK: Final = 0.05
_PATIENCE: Final = 300.0
_WRAPPINGS: Final[dict[str, Callable[[bytes], bytes]]] = {"file": bytes, "base64": base64.b64encode}


async def _upload(client: httpx.AsyncClient, url: str, body: bytes) -> tuple[str, bool]:
    """The status of the answer, and whether it has `Retry-After`."""
    try:
        response = await client.post(f"{url}/v1/plate-reader/", files={"upload": body})
    except httpx.TransportError as error:
        return type(error).__name__, False
    return str(response.status_code), "retry-after" in response.headers


async def _measure(url: str, gateway: psutil.Process, body: bytes) -> tuple[Counter[str], bool, int, int]:
    """Statuses, whether each 503 has `Retry-After`, and the highest and last resident bytes."""
    peak, limits = 0, httpx.Limits(max_connections=AT_ONCE)
    # one client for all, because creating one takes so long that running uploads would wait for it
    async with httpx.AsyncClient(timeout=2 * _PATIENCE, trust_env=False, limits=limits) as client:
        uploads = asyncio.gather(*(_upload(client, url, body) for _ in range(AT_ONCE)))
        while not uploads.done():
            peak = max(peak, gateway.memory_info().rss)
            await asyncio.wait({uploads}, timeout=_LOOK)
        answers = uploads.result()
    await asyncio.sleep(1)
    statuses = Counter(status for status, _ in answers)
    return statuses, all(again for status, again in answers if status == "503"), peak, gateway.memory_info().rss


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md.

    Raises:
        RuntimeError: an upload was neither read nor refused with 503 and `Retry-After`, or memory exceeded its bound.
    """
    data = photo.read_bytes()
    picture = data + bytes(SIZE - len(data))
    budget = memory.budget()
    bound = budget + 6 * LARGEST_UPLOAD
    rows = []
    # a long timeout, because only memory is measured, and two gigabytes take long on a busy machine
    with stack.running(upload_timeout=_PATIENCE, upload_rate=0, deadline=60) as state:
        pid = state.processes["gateway"].pid
        assert pid is not None
        gateway = psutil.Process(pid)
        for name, wrap in _WRAPPINGS.items():
            before = gateway.memory_info().rss
            statuses, again, peak, after = asyncio.run(_measure(state.url, gateway, wrap(picture)))
            if set(statuses) - {"200", "503"} or not again or peak - before > bound:
                raise RuntimeError(f"{name}: {dict(statuses)}, {peak - before:,} bytes of {bound:,}")
            row = (statuses["200"], statuses["503"], *(round(each / 1e6) for each in (before, peak, after)))
            rows.append([name, *map(str, row)])
    results.record(
        "Memory under large uploads (`python -m benchmarks uploads`)",
        f"{AT_ONCE} uploads of {SIZE / 1e6:.0f} MB at once. The budget here is {budget / 1e6:.0f} MB, of which one "
        "address may use two thirds; further uploads get 503 with `Retry-After`. Resident MB of the gateway.\n\n"
        + results.table(["upload", "read", "refused", "before", "at most", "a second later"], rows),
    )
