"""The alert rules, as Prometheus itself reads and evaluates them. Needs promtool (Debian: prometheus)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "observability" / "alerts.yml"
SERVICES = ("gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads")


def promtool(*arguments: str | Path) -> None:
    """Run it, or skip where it is not installed."""
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([command, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_the_rules(tmp_path: Path) -> None:
    promtool("check", "config", ROOT / "deploy" / "observability" / "prometheus.yml")
    resource = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "components" / "alerts" / "rules.yaml").read_text())
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": resource["spec"]["groups"]}))
    promtool("check", "rules", tmp_path / "rules.yml")


@pytest.mark.parametrize(
    ("alert", "series", "values"),
    [
        ("", 'platelane_check{service="gateway", check="nats"}', "1x60"),
        ("ServiceDown", 'up{service="ocr"}', "1x10 0x50"),
        ("NatsNotConnected", 'platelane_check{service="gateway", check="nats"}', "1x10 0x50"),
        ("TopologyNotReady", 'platelane_check{service="gateway", check="topology"}', "1x10 0x50"),
        ("TritonNotReady", 'platelane_check{service="ocr", check="triton"}', "0x60"),
        ("UploadsRefused", 'platelane_errors_total{stage="gateway", kind="Overloaded"}', "0+1x60"),
        ("DeadlinesMissed", 'platelane_errors_total{stage="gateway", kind="DeadlineExceeded"}', "0x40 10x20"),
        ("JobsExpire", 'platelane_jobs_expired_total{stage="detector"}', "0+1x60"),
        ("QueueGrows", 'platelane_queue_messages{consumer="ocr", state="waiting"}', "200x60"),
        ("DeadLetters", 'platelane_dead_letters_total{stream="JOBS"}', "0x50 1x10"),
        ("EventsGivenUp", 'platelane_dead_letters_total{stream="HOOKS"}', "0x50 1x10"),
        ("DeliveriesLag", 'platelane_hook_lag_seconds{hook="7"}', "400x60"),
        ("HookDisabled", 'platelane_hooks{state="disabled"}', "1x60"),
        ("StoreFillsUp", 'platelane_store_bytes{kind="used"}', "17000000000x60"),
    ],
)
def test_an_alert_fires_when_it_should_and_no_other_does(tmp_path: Path, alert: str, series: str, values: str) -> None:
    """A value every ten seconds; what fires after ten minutes."""
    healthy = {f'up{{service="{service}"}}': "1x60" for service in SERVICES}
    given = [{"series": name, "values": each} for name, each in (healthy | {series: values}).items()]
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else []
    firing = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "9m50s",
        "exp_samples": expected,
    }
    case = {"interval": "10s", "input_series": given, "promql_expr_test": [firing]}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "10s", "tests": [case]}))
    promtool("test", "rules", file)
