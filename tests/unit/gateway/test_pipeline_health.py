"""How the health of the pipeline is derived from what is reported."""

from __future__ import annotations

import pytest

from gateway.pipeline_health import hook_queues, latency, models, quantile, services, worst
from platelane.bus.pulse import Pulse
from platelane.runtime.metrics import SECONDS

ALL = ("gateway", "detector", "ocr", "attributes", "aggregator", "reads", "webhook_svc")


def pulse(service: str, ready: bool = True, **told: object) -> Pulse:
    return Pulse.model_validate({"service": service, "ready": ready, "checks": {}, "seconds": {}, "models": {}, **told})


def counts(*times: float) -> list[int]:
    return [*(sum(each <= bound for each in times) for bound in SECONDS), len(times)]


def test_all_services_are_there() -> None:
    found = services([*map(pulse, ALL), pulse("ocr")])
    assert {each["name"]: each["replicas"] for each in found} == {name: 1 + (name == "ocr") for name in ALL}
    assert worst({"services": found}) == "ok"


@pytest.mark.parametrize(
    ("missing", "status"), [("ocr", "fail"), ("gateway", "fail"), ("reads", "warn"), ("webhook_svc", "warn")]
)
def test_a_service_that_does_not_answer(missing: str, status: str) -> None:
    found = services(pulse(name) for name in ALL if name != missing)
    assert [(each["name"], each["replicas"], each["status"]) for each in found if each["status"] != "ok"] == [
        (missing, 0, status)
    ]
    assert worst({"services": found}) == status
    [advice] = [each["advice"] for each in found if each["advice"]]
    assert advice == f"No process of {missing} answers: see ServiceDown in docs/runbook.md."


def test_a_stage_without_triton() -> None:
    away = pulse("ocr", False, checks={"triton": False, "nats": True}, models={"reader": 32})
    [ocr] = [each for each in services([away]) if each["name"] == "ocr"]
    assert (ocr["status"], "TritonNotReady" in ocr["advice"]) == ("fail", True)
    [ocr] = [each for each in services([away, pulse("ocr")]) if each["name"] == "ocr"]
    assert ocr["status"] == "warn"
    [reader] = models([away])
    assert (reader["name"], reader["ready"], reader["batch_sizes"], reader["status"]) == ("reader", False, [32], "fail")


def test_times_of_all_replicas_together() -> None:
    found = latency(
        [
            pulse("ocr", seconds={"ocr": counts(*[0.015] * 90)}),
            pulse("ocr", seconds={"ocr": counts(*[3.0] * 10), "odd": [1, 2]}),
            pulse("detector", seconds={"detector": counts()}),
        ],
        deadline=4,
    )
    [ocr] = found
    assert ocr["stage"] == "ocr"
    assert ocr["p50_ms"] == pytest.approx(10 + 10 * 50 / 90)
    assert ocr["p95_ms"] == pytest.approx(2_000 + 3_000 * 0.5)
    assert ocr["status"] == "warn"


def test_times_beyond_the_last_bucket() -> None:
    assert quantile(counts(60.0), 0.5) == SECONDS[-1]


def test_a_webhook_whose_events_wait() -> None:
    def stream(name: str, messages: int) -> dict[str, object]:
        return {"config": {"name": name}, "state": {"messages": messages, "first_ts": "1970-01-01T00:00:00.5Z"}}

    found = hook_queues([stream("HOOK_1", 0), stream("HOOK_2", 3), stream("RESULTS", 5)], 301)
    assert [(each["name"], each["waiting"], each["status"]) for each in found] == [
        ("HOOK_2", 3, "warn"),
        ("HOOK_1", 0, "ok"),
    ]
