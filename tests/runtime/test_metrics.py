"""What is counted, and under which labels."""

from __future__ import annotations

import socket

import pytest
from prometheus_client import REGISTRY

from platelane.errors import BadImage
from platelane.runtime import metrics
from platelane.webhooks.http_client import WebhookClient
from platelane.webhooks.payload import Payload


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"platelane_{name}", labels) or 0.0


def test_work_is_in_flight_until_it_ends_and_its_error_is_counted() -> None:
    def work() -> None:
        with metrics.working("test"):
            assert value("in_flight", stage="test") == 1
            raise BadImage("x")

    with pytest.raises(BadImage):
        work()
    assert value("in_flight", stage="test") == 0
    assert value("stage_seconds_count", stage="test") == 1
    assert value("errors_total", stage="test", kind="BadImage") == 1


@pytest.mark.parametrize(
    ("status", "outcome"), [(201, "2xx"), (302, "3xx"), (410, "4xx"), (503, "5xx"), (None, "none")]
)
def test_webhooks_are_counted_by_their_receivers_answer(status: int | None, outcome: str) -> None:
    before = value("webhook_seconds_count", outcome=outcome)
    metrics.webhook(status, 0.1)
    assert value("webhook_seconds_count", outcome=outcome) == before + 1


async def test_a_receiver_that_is_not_there_counts_as_none() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        before = value("webhook_seconds_count", outcome="none")
        async with WebhookClient(5.0) as poster:
            await poster.post(f"http://127.0.0.1:{nobody.getsockname()[1]}/", Payload(body=b"", headers={}))
        assert value("webhook_seconds_count", outcome="none") == before + 1
