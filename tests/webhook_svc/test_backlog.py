"""What Prometheus gets about hooks, on a real nats-server."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client import REGISTRY

from platelane.bus import Bus
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.webhooks.hook import HookSettings
from platelane.webhooks.queue import Queue, plan_of
from platelane.webhooks.registry import HookRegistry
from tests.support import NatsServer
from webhook_svc.backlog import Backlog


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    return Settings(nats_url=server.url, deadline=60)


def value(name: str, labels: Mapping[str, str]) -> float | None:
    return REGISTRY.get_sample_value(f"platelane_{name}", dict(labels))


async def test_what_waits_how_long_and_how_hooks_fare(bus: Bus, settings: Settings) -> None:
    hooks = await HookRegistry.open(bus)
    waiting = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "")
    broken = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "")
    await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/", "enabled": False}), "")
    await hooks.change(broken.id, lambda hook: hook.model_copy(update={"enabled": False, "disabled_reason": "410"}))
    for hook in (waiting, broken):
        queue = Queue(bus, hook.id)
        await queue.ensure(plan_of(hook, settings.webhook_queue))
        for name in ("one", "two"):
            await queue.put(hook, stages_pb2.Result(recognition=domain_pb2.Recognition(id=name)))

    await Backlog(bus, hooks).update()

    assert [value("hooks", {"state": state}) for state in ("enabled", "off", "disabled")] == [1, 1, 1]
    assert [value("hook_queue_messages", {"hook": str(hook.id)}) for hook in (waiting, broken)] == [2, 2]
    lag = value("hook_lag_seconds", {"hook": str(waiting.id)})
    assert lag is not None
    assert 0 <= lag < 30
    assert value("hook_lag_seconds", {"hook": str(broken.id)}) is None, "its events wait for its owner, not for us"
    used, reserved = (value("store_bytes", {"kind": kind}) for kind in ("used", "reserved"))
    assert used is not None
    assert reserved is not None
    assert 0 < used < reserved


async def test_an_empty_queue_has_no_lag_and_a_deleted_hook_no_metrics(bus: Bus, settings: Settings) -> None:
    hooks = await HookRegistry.open(bus)
    hook = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "")
    await Queue(bus, hook.id).ensure(plan_of(hook, settings.webhook_queue))
    backlog, labels = Backlog(bus, hooks), {"hook": str(hook.id)}

    await backlog.update()
    assert (value("hook_queue_messages", labels), value("hook_lag_seconds", labels)) == (0, 0)

    await hooks.delete(hook.id)
    await backlog.update()
    assert (value("hook_queue_messages", labels), value("hook_lag_seconds", labels)) == (None, None)


async def test_what_nats_does_not_tell_is_left_out(
    bus: Bus, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = await HookRegistry.open(bus)
    backlog = Backlog(bus, hooks)
    await backlog.update()
    assert value("store_bytes", {"kind": "used"}) is not None

    monkeypatch.setattr("webhook_svc.backlog._PATIENCE", 0.2)
    server.kill()
    await backlog.update()

    assert value("store_bytes", {"kind": "used"}) is None
    assert value("hooks", {"state": "enabled"}) == 0
    server.start()  # a client that cannot reach its server does not close
