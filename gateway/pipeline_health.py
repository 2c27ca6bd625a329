"""Reports the health of the pipeline: services, queues, latencies, models, streams, disk and recent dead letters."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

from nats.errors import Error as NatsError

from platelane import times
from platelane.bus import Bus, pulse, subjects, topology
from platelane.bus.pulse import Pulse
from platelane.errors import PlatelaneError
from platelane.runtime.metrics import SECONDS
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import hook_of_stream

Status: TypeAlias = Literal["ok", "warn", "fail"]
Entry: TypeAlias = dict[str, Any]

KEPT_SECONDS: Final = 3.0
"""Seconds for which a report is cached."""
MOST_SHOWN: Final = 50
"""The most entries of lists that grow with the number of webhooks; the fullest queues are shown."""
_PATIENCE: Final = 2.0
_HOUR: Final = 3_600.0
_BEHIND: Final = 100
"""Waiting messages, as in the alert QueueGrows."""
_LATE: Final = 300.0
"""Seconds that an event has waited, as in the alert DeliveriesLag."""
_NEARLY_FULL: Final = 0.8
_FULL: Final = 0.95
_NOT_NEEDED_TO_ANSWER: Final = frozenset({"webhook_svc", "reads"})
_FAILURES: Final = (PlatelaneError, NatsError, TimeoutError, OSError)


class PipelineHealth:
    """Makes reports on request, and caches them for `KEPT_SECONDS`."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._reporting = asyncio.Lock()
        self._last: Entry = {}
        self._made = -KEPT_SECONDS

    async def now(self) -> Entry:
        """The report, without parts that cannot be determined."""
        async with self._reporting:
            if time.monotonic() - self._made >= KEPT_SECONDS:
                self._last = await self._report()
                self._made = time.monotonic()
            return self._last

    async def _report(self) -> Entry:
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                streams, pulses, queues = await asyncio.gather(
                    self._bus.all_streams(_PATIENCE),
                    pulse.ask(self._bus, topology.REQUIRED),
                    asyncio.gather(*(self._queue(consumer) for consumer in topology.CONSUMERS)),
                )
                errors = await self._errors(streams)
        except _FAILURES:
            return _judged("fail", "NatsNotConnected", "The gateway gets no answers from NATS")
        parts: Entry = {
            "services": services(pulses),
            "queues": [*queues, *hook_queues(streams, time.time())],
            "latency": latency(pulses, self._settings.deadline),
            "models": models(pulses),
            "streams": [_stream(each) for each in streams if hook_of_stream(each["config"]["name"]) is None],
            "errors": errors,
        }
        parts |= await asyncio.to_thread(self._disk)
        return {"status": worst(parts), **parts}

    async def _queue(self, consumer: topology.Consumer) -> Entry:
        try:
            waiting, working = await self._bus.waiting(consumer)
        except _FAILURES:
            judged = _judged("fail", "TopologyNotReady", f"NATS does not report the consumer {consumer.name}")
            return {"name": consumer.name, "waiting": None, "working": None, **judged}
        status: Status = "fail" if waiting >= self._settings.queue_limit else "warn" if waiting > _BEHIND else "ok"
        judged = _judged(status, "QueueGrows", f"{waiting} messages are waiting for {consumer.name}")
        return {"name": consumer.name, "waiting": waiting, "working": working, **judged}

    async def _errors(self, streams: Iterable[Entry]) -> list[Entry]:
        """Messages that were given up in the last hour, by their original stream."""
        since = time.time() - _HOUR
        state = next((each["state"] for each in streams if each["config"]["name"] == topology.DEAD), None)
        if state is None or not state["messages"] or times.parse(state["last_ts"]).timestamp() < since:
            return []
        dead = await self._bus.stream(topology.DEAD, _PATIENCE).state(subjects.dead("*"))
        found = list((dead or {}).get("subjects") or ())[:MOST_SHOWN]
        numbers = await asyncio.gather(*(self._stored_since(subject, since) for subject in found))
        names = [subject.rpartition(".")[2] for subject in found]
        return [
            {"service": name, "event": "dead_letter", "count": number}
            | _judged(
                "warn", "DeadLetters" if hook_of_stream(name) is None else "EventsGivenUp", "Messages were given up"
            )
            for name, number in zip(names, numbers, strict=True)
            if number
        ]

    async def _stored_since(self, subject: str, moment: float) -> int:
        """Counted by a short-lived consumer that reads nothing, because letters may contain whole pictures."""
        config = {
            "deliver_policy": "by_start_time",
            "opt_start_time": times.utc(moment),
            "filter_subject": subject,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 1_000_000_000,
        }
        request = json.dumps({"stream_name": topology.DEAD, "config": config}).encode()
        info = await self._bus.connection.ask(
            f"$JS.API.CONSUMER.CREATE.{topology.DEAD}", request, time.time() + _PATIENCE
        )
        return int(info["num_pending"])

    def _disk(self) -> Entry:
        """The disk of the store, if it is on this machine (`platelane up`)."""
        store = self._settings.state_dir.expanduser() / "nats"
        try:
            total, used, _ = shutil.disk_usage(store)
        except OSError:
            return {}
        judged = _judged(_filled(used, total), "StoreFillsUp", "The disk of the store fills up")
        return {"disk": {"used_bytes": used, "total_bytes": total, **judged}}


def services(pulses: Iterable[Pulse]) -> list[Entry]:
    """Every service, with the number of processes that answered."""
    by_name: dict[str, list[Pulse]] = {name: [] for name in topology.REQUIRED}
    for each in pulses:
        by_name.setdefault(each.service, []).append(each)
    return [{"name": name, "replicas": len(found), **_service(name, found)} for name, found in by_name.items()]


def _service(name: str, found: Sequence[Pulse]) -> Entry:
    if not found:
        status: Status = "warn" if name in _NOT_NEEDED_TO_ANSWER else "fail"
        return _judged(status, "ServiceDown", f"No process of {name} answers")
    unready = [each for each in found if not each.ready]
    status = "ok" if not unready else "warn" if len(unready) < len(found) else "fail"
    causes = {check for each in unready for check, passes in each.checks.items() if not passes}
    section = next(
        (s for check, s in (("topology", "TopologyNotReady"), ("triton", "TritonNotReady")) if check in causes),
        "ServiceDown",
    )
    return _judged(status, section, f"{len(unready)} of {len(found)} processes of {name} are not ready")


def hook_queues(streams: Iterable[Entry], now: float) -> list[Entry]:
    """The events that wait for each webhook's receiver, those of the longest queues."""
    found = [each for each in streams if hook_of_stream(each["config"]["name"]) is not None]
    found.sort(key=lambda each: -each["state"]["messages"])
    return [_hook_queue(each["config"]["name"], each["state"], now) for each in found[:MOST_SHOWN]]


def _hook_queue(name: str, state: Entry, now: float) -> Entry:
    late = state["messages"] > 0 and now - times.parse(state["first_ts"]).timestamp() > _LATE
    judged = _judged("warn" if late else "ok", "DeliveriesLag", f"Events of {name} have waited for over five minutes")
    return {"name": name, "waiting": state["messages"], "working": None, **judged}


def latency(pulses: Iterable[Pulse], deadline: float) -> list[Entry]:
    """Median and 95th percentile of each stage's times since its processes started, all replicas together."""
    totals: dict[str, Counter[int]] = {}
    for each in pulses:
        for stage, counts in each.seconds.items():
            if len(counts) == len(SECONDS) + 1:
                totals.setdefault(stage, Counter()).update(dict(enumerate(counts)))
    found = []
    for stage, total in sorted(totals.items()):
        counts = [total[place] for place in range(len(SECONDS) + 1)]
        if counts[-1]:
            half, most = quantile(counts, 0.5), quantile(counts, 0.95)
            judged = _judged("warn" if most > deadline / 2 else "ok", "DeadlinesMissed", f"{stage} is slow")
            found.append({"stage": stage, "p50_ms": half * 1e3, "p95_ms": most * 1e3, **judged})
    return found


def quantile(counts: Sequence[int], share: float) -> float:
    """Seconds, estimated as Prometheus does, of `counts` as `metrics.stage_counts` gives them."""
    rank = share * counts[-1]
    lower, before = 0.0, 0
    for upper, count in zip(SECONDS, counts, strict=False):
        if count >= rank:
            return lower + (upper - lower) * (rank - before) / (count - before) if count > before else upper
        lower, before = upper, count
    return SECONDS[-1]


def models(pulses: Iterable[Pulse]) -> list[Entry]:
    """The models that the stages use, with the largest batch that Triton takes."""
    sizes: dict[str, set[int]] = {}
    ready: dict[str, bool] = {}
    for each in pulses:
        for name, size in each.models.items():
            sizes.setdefault(name, set()).add(size)
            ready[name] = ready.get(name, False) or each.checks.get("triton", False)
    return [
        {"name": name, "ready": ready[name], "batch_sizes": sorted(sizes[name])}
        | _judged("ok" if ready[name] else "fail", "TritonNotReady", f"Triton does not serve {name}")
        for name in sorted(sizes)
    ]


def worst(parts: Entry) -> Status:
    """The worst status of all entries."""
    entries = [each for part in parts.values() for each in (part if isinstance(part, list) else [part])]
    found = {each["status"] for each in entries}
    return "fail" if "fail" in found else "warn" if "warn" in found else "ok"


def _stream(info: Entry) -> Entry:
    """Streams that drop their oldest messages are always full eventually, so only others are reported."""
    config, state = info["config"], info["state"]
    limit = max(0, config["max_bytes"])
    status = _filled(state["bytes"], limit) if config["discard"] == "new" else "ok"
    judged = _judged(status, "StoreFillsUp", f"The stream {config['name']} is nearly full")
    return {
        "name": config["name"],
        "messages": state["messages"],
        "bytes": state["bytes"],
        "max_bytes": limit or None,
        **judged,
    }


def _filled(used: int, limit: int) -> Status:
    share = used / limit if limit else 0.0
    return "fail" if share > _FULL else "warn" if share > _NEARLY_FULL else "ok"


def _judged(status: Status, section: str, finding: str) -> Entry:
    advice = None if status == "ok" else f"{finding}: see {section} in docs/runbook.md."
    return {"status": status, "advice": advice}
