"""Every service of the running system reports its work to Prometheus."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from .conftest import Stack

EXPECTED = {
    "gateway": {("request_seconds", "edge", "rest"), ("stage_seconds", "stage", "gateway")},
    "detector": {
        ("stage_seconds", "stage", "detector"),
        ("inference_seconds", "model", "detector"),
        ("batch_size", "model", "detector"),
    },
    "ocr": {("stage_seconds", "stage", "ocr"), ("batch_size", "model", "reader")},
    "attributes": {("stage_seconds", "stage", "attributes"), ("batch_size", "model", "attributes")},
    "aggregator": {("stage_seconds", "stage", "aggregator")},
    "webhook_svc": {("stage_seconds", "stage", "dispatcher")},
}
QUEUES = {
    "detector": {"detector", "detector_bulk"},
    "ocr": {"ocr"},
    "attributes": {"attributes"},
    "aggregator": {"aggregator", "dead_letters"},
    "webhook_svc": {"dispatcher"},
}


def test_every_service_has_metrics(stack: Stack, photo: Path) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=30, trust_env=False) as client:
        answer = client.post(
            "/v1/plate-reader/", data={"mmc": "true"}, files={"upload": ("gate.jpg", photo.read_bytes())}
        )
        assert answer.json()["results"]
        for service, expected in EXPECTED.items():
            page = client.get(stack.state.processes[service].ready_url.replace("/readyz", "/metrics")).text
            samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
            for name, label, value in expected:
                counts = [
                    sample.value
                    for sample in samples
                    if sample.name == f"platelane_{name}_count" and sample.labels[label] == value
                ]
                assert counts, (service, name, value)
                assert sum(counts) >= 1
            queues = {sample.labels["consumer"] for sample in samples if sample.name == "platelane_queue_messages"}
            assert queues == QUEUES.get(service, set())
