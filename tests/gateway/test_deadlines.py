"""The longest that a caller waits, whatever NATS does meanwhile."""

from __future__ import annotations

import pytest

from gateway.accounts import Account
from gateway.idempotency import KeyedRequests, RequestKey
from gateway.intake import Photograph
from gateway.jobs import JobClient
from gateway.outcomes import Outcomes
from platelane.bus import Bus
from platelane.errors import DeadlineExceeded
from platelane.pb.v1 import domain_pb2
from platelane.runtime.settings import Settings


async def test_asking_whether_a_request_is_known_is_part_of_its_time(
    bus: Bus, jobs: JobClient, settings: Settings
) -> None:
    keyed = KeyedRequests(bus, jobs, Outcomes(bus), settings)
    photograph = Photograph(b"picture", domain_pb2.Options(), "camera", "a.jpg", 1)
    with pytest.raises(DeadlineExceeded):
        await keyed.recognize(
            photograph, RequestKey(Account("account", 0, 1), "key", b"digest", waited=settings.deadline)
        )
