"""Prometheus and Grafana, read from their files: they ask for what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import platelane.metrics  # noqa: F401  registers what the dashboard shows

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "platelane.json").read_text())
SERVICES = ["gateway", "detector", "ocr", "attributes", "webhook_svc"]


def series() -> set[str]:
    """The names of all time series that a service can have."""
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        metric.name + ending
        for metric in REGISTRY.collect()
        if metric.name.startswith("platelane_")
        for ending in endings[metric.type]
    } | {"up", "process_resident_memory_bytes"}


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_shows_metrics_that_exist(panel: dict[str, Any]) -> None:
    labels = {"edge", "status", "stage", "kind", "consumer", "state", "model", "outcome", "service", "job", "le"}
    words = {"histogram_quantile", "sum", "max", "by", "rate", "__rate_interval"}
    for target in panel["targets"]:
        expression = re.sub(r'"[^"]*"', "", target["expr"])
        names = set(re.findall(r"[a-zA-Z_]\w*", expression)) - labels - words
        assert names, "no metric at all"
        assert names <= series()
        shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert shown <= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert {"uid", "title", "schemaVersion", "panels", "time"} <= DASHBOARD.keys()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    corners = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(corners) == len(DASHBOARD["panels"])
    provisioning = FOLDER / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load((provisioning / "dashboards" / "platelane.yml").read_text())["providers"]
    mounts = [volume.split(":")[:2] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert ["./deploy/observability/grafana/dashboards", provider["options"]["path"]] in mounts


def test_prometheus_asks_every_service_where_it_answers() -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]}
    [found] = jobs["platelane"]["dns_sd_configs"]
    assert found["names"] == SERVICES
    for name in SERVICES:
        environment = COMPOSE["services"][name]["environment"]
        assert (environment["PLATELANE_HEALTH_HOST"], environment["PLATELANE_HEALTH_PORT"]) == (
            "0.0.0.0",
            found["port"],
        )
        assert set(COMPOSE["services"]["prometheus"]["networks"]) & set(COMPOSE["services"][name]["networks"])


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_nothing_of_it_runs_unasked_or_is_published_to_the_network(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["profiles"] == ["observability"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_compose_accepts_the_profile() -> None:
    client = shutil.which("docker")
    if client is None or subprocess.run([client, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose client")
    checked = subprocess.run(
        [client, "compose", "--profile", "observability", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")
