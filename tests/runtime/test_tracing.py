"""Trace context without the SDK: it is created, passed on and logged, and nothing is exported."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from platelane.runtime import tracing

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def trace_id() -> str:
    return str(tracing.log_trace_id(None, "info", {}).get("trace_id", ""))


def test_outside_a_trace_nothing_is_sent_and_logged() -> None:
    assert tracing.headers() == {}
    assert trace_id() == ""


def test_a_trace_is_begun_where_none_or_nonsense_comes() -> None:
    seen = set()
    for headers in (None, {}, {"traceparent": "nonsense"}, {"Nats-Msg-Id": "1"}):
        with tracing.received("stage", headers):
            assert len(trace_id()) == 32
            assert tracing.headers()["traceparent"].split("-")[1] == trace_id()
            seen.add(trace_id())
    assert len(seen) == 4
    assert trace_id() == ""


async def test_the_senders_trace_goes_on_in_every_task() -> None:
    with tracing.received("stage", PARENT), tracing.span("infer reader"):
        assert trace_id() == "0af7651916cd43dd8448eb211c80319c"
        assert await asyncio.create_task(later()) == PARENT["traceparent"].split("-")[1]
        with tracing.received("other", {}):
            assert trace_id() != "0af7651916cd43dd8448eb211c80319c"


async def later() -> str:
    return trace_id()


def test_the_sdk_is_not_imported_for_nothing() -> None:
    code = "import sys, platelane.runtime.service; platelane.runtime.service.tracing.configure('x', ''); "
    code += "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
