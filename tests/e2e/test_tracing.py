"""One trace per job, from the caller's header through every process and message to the calls of Triton."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from platelane.client import PlateReader

from .conftest import Stack, running_stack

PATIENCE = 30.0
SERVICES = {"gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc"}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps what it gets: trace id -> service -> span id -> (name, parent's id)."""

    def __init__(self) -> None:
        self.traces: dict[str, dict[str, dict[str, tuple[str, str]]]] = {}

    async def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            [service] = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    spans = self.traces.setdefault(span.trace_id.hex(), {}).setdefault(service, {})
                    spans[span.span_id.hex()] = (span.name, span.parent_span_id.hex())
        return trace_service_pb2.ExportTraceServiceResponse()

    async def trace(self, trace_id: str, parent: str, names: Counter[str]) -> dict[str, tuple[str, str]]:
        """All spans of a trace below `parent`, once those of these names and the parents of all are there."""
        end = time.monotonic() + PATIENCE
        while True:
            services = self.traces.get(trace_id, {}).values()
            spans = {key: span for spans in services for key, span in spans.items()}
            missing = names - Counter(name for name, _ in spans.values())
            orphans = {above for _, above in spans.values()} - {parent, *spans}
            if not missing and not orphans:
                return spans
            assert time.monotonic() < end, f"without {missing}, and without parents {orphans}"
            await asyncio.sleep(0.1)


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, int]]:
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector, port
    await server.stop(0)


def logged(stack: Stack, service: str, trace_id: str) -> bool:
    lines = (stack.state.logs / f"{service}.log").read_text().splitlines()
    return any(json.loads(line).get("trace_id") == trace_id for line in lines if line.startswith("{"))


@pytest.mark.timeout(240)
async def test_one_trace_a_job(tmp_path: Path, photo: Path, collector: tuple[Collector, int]) -> None:
    received, port = collector
    settings = {"OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "LOG_LEVEL": "debug"}
    with running_stack(tmp_path, settings=settings, ready=False) as stack:
        end = time.monotonic() + 120
        while not ((tmp_path / "state" / "up.json").exists() and stack.state.ready):
            assert time.monotonic() < end, stack.said
            await asyncio.sleep(0.2)  # the collector has to answer meanwhile
        trace_id, parent = secrets.token_hex(16), secrets.token_hex(8)
        async with httpx.AsyncClient(base_url=stack.base_url, timeout=PATIENCE, trust_env=False) as client:
            response = await client.post(
                "/v1/plate-reader/",
                data={"mmc": "true"},
                files={"upload": ("gate.jpg", photo.read_bytes())},
                headers={"traceparent": f"00-{trace_id}-{parent}-01"},
            )
        assert response.json()["results"]
        stages = Counter(detector=1, ocr=1, attributes=1, aggregator=3, dispatcher=1)
        inferences = Counter(["infer detector", "infer reader", "infer attributes"])
        spans = await received.trace(trace_id, parent, Counter(["HTTP POST"]) + stages + inferences)
        for inference, stage in (("infer detector", "detector"), ("infer reader", "ocr")):
            assert {spans[above][0] for name, above in spans.values() if name == inference} == {stage}
        assert logged(stack, "aggregator", trace_id)
        assert logged(stack, "detector", trace_id)

        async with PlateReader(stack.state.grpc_address) as reader:
            before = set(received.traces)
            await reader.recognize(photo.read_bytes(), timeout=PATIENCE)
            async with asyncio.timeout(PATIENCE):
                while not any(spans.keys() >= SERVICES for key, spans in received.traces.items() if key not in before):
                    await asyncio.sleep(0.1)
