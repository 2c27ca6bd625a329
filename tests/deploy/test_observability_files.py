"""The files for Prometheus and Grafana: they refer to metrics that exist."""

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

import platelane.runtime.metrics  # noqa: F401  registers what the dashboard shows

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "platelane.json").read_text())
SERVICES = ["gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads"]


def series() -> set[str]:
    """The names of all time series that a service can have."""
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    return {
        metric.name + ending
        for metric in REGISTRY.collect()
        if metric.name.startswith("platelane_")
        for ending in endings[metric.type]
    } | {"up", "process_resident_memory_bytes"}


LABELS = {"edge", "status", "stage", "kind", "consumer", "state", "model", "outcome", "service", "job", "le"}
LABELS |= {"check", "stream", "hook"}
WORDS = {"histogram_quantile", "sum", "max", "min", "by", "or", "absent", "rate", "increase", "__rate_interval"}


def metrics_of(expression: str) -> set[str]:
    """The names of the time series that an expression asks for."""
    without = re.sub(r'"[^"]*"|\[\d+m\]|\b\d\S*', "", expression)
    return set(re.findall(r"[a-zA-Z_]\w*", without)) - LABELS - WORDS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist_and_has_a_runbook_entry(rule: dict[str, Any]) -> None:
    assert metrics_of(rule["expr"])
    assert metrics_of(rule["expr"]) <= series()
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert f"\n## {rule['alert']}\n" in (ROOT / "docs" / "runbook.md").read_text()


def test_every_service_has_to_be_up() -> None:
    [down] = [rule["expr"] for rule in RULES if rule["alert"] == "ServiceDown"]
    assert re.findall(r'service="(\w+)"', down) == SERVICES


def test_the_stores_limit_is_that_of_nats() -> None:
    for rules, conf in (
        ("observability/alerts.yml", "nats.conf"),
        ("kubernetes/components/alerts/rules.yaml", "kubernetes/base/nats.conf"),
    ):
        [threshold] = re.findall(r'kind="used"}\) > (\d+)e9', (ROOT / "deploy" / rules).read_text())
        [limit] = re.findall(r"max_file_store: (\d+)GB", (ROOT / "deploy" / conf).read_text())
        assert 0.75 < int(threshold) / int(limit) <= 0.8


def test_kubernetes_has_the_same_rules_and_one_for_its_volumes() -> None:
    resource = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "components" / "alerts" / "rules.yaml").read_text())
    [group] = resource["spec"]["groups"]
    *same, volume = group["rules"]
    assert [{**rule, "expr": re.sub(r"\d+e9", "limit", rule["expr"])} for rule in same] == [
        {**rule, "expr": re.sub(r"\d+e9", "limit", rule["expr"])} for rule in RULES
    ]
    assert volume["alert"] == "VolumeFillsUp"
    assert "\n## VolumeFillsUp\n" in (ROOT / "docs" / "runbook.md").read_text()


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_shows_metrics_that_exist(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expression = re.sub(r'"[^"]*"', "", target["expr"])
        assert metrics_of(target["expr"]), "no metric at all"
        assert metrics_of(target["expr"]) <= series()
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
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["prometheus"]["volumes"]]
    assert {f"/etc/prometheus/{file}" for file in configuration["rule_files"]} <= set(mounted)
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
