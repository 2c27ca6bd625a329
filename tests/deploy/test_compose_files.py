"""The compose files, read as files; the engine's own check runs if its client is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from platelane.bus import topology
from platelane.runtime.settings import Settings
from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import plan_of
from platelane.webhooks.registry import MOST_HOOKS

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.cpu.yml")
TLS = "docker-compose.tls.yml"
STAGES = ("detector", "ocr", "attributes")
SERVICES = ("gateway", *STAGES, "aggregator", "webhook_svc", "reads")
MODELS = "${PLATELANE_MODELS:-./triton_models}:/app/triton_models:ro"


class Loader(yaml.SafeLoader):
    """YAML with Compose's `!reset`, which takes a value of the file below out again."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def services(file: str) -> dict[str, dict[str, Any]]:
    loaded = yaml.load((ROOT / file).read_text(), Loader)
    result: dict[str, dict[str, Any]] = loaded["services"]
    return result


def configured(files: tuple[str, ...]) -> str:
    """What Compose makes of the files, or a skip where there is no client of it."""
    client = shutil.which("docker")
    if client is None or subprocess.run([client, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose client")
    chosen = [argument for file in files for argument in ("-f", file)]
    done = subprocess.run([client, "compose", *chosen, "config"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_its_package_from_the_one_image(name: str) -> None:
    service = services(FILES[0])[name]
    assert service["command"] == ["python", "-m", name]
    assert (ROOT / name / "__main__.py").is_file()
    assert service["image"] == services(FILES[0])["gateway"]["image"]
    assert ("build" in service) == (name == "gateway"), "built once; every service builds an image of its own otherwise"
    assert service["read_only"] is True


@pytest.mark.parametrize("name", [*SERVICES, "front", "nats", "triton", "keys", "topology", "token"])
def test_every_container_can_be_scaled_and_has_no_privileges(name: str) -> None:
    service = services(FILES[0])[name]
    assert "container_name" not in service
    assert ("ports" in service) == (name == "front")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name in ("keys", "topology", "token") else "unless-stopped")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("front", {"gateway": "healthy"}),
        ("topology", {"nats": "healthy"}),
        ("token", {"topology": "completed_successfully"}),
        ("gateway", {"topology": "completed_successfully", "token": "completed_successfully"}),
        ("detector", {"topology": "completed_successfully", "triton": "healthy"}),
        ("aggregator", {"topology": "completed_successfully"}),
        ("nats", {"keys": "completed_successfully"}),
    ],
)
def test_services_wait_for_what_they_need(name: str, needs: dict[str, str]) -> None:
    waits = services(FILES[0])[name]["depends_on"]
    assert waits == {server: {"condition": f"service_{state}"} for server, state in needs.items()}


def test_the_topology_is_made_by_the_command() -> None:
    assert services(FILES[0])["topology"]["command"] == ["platelane", "topology", "apply"]


@pytest.mark.parametrize("name", [*SERVICES, "topology"])
def test_a_service_gets_its_own_password_and_no_other(name: str) -> None:
    mount, *others = services(FILES[0])[name]["volumes"]
    models = [MODELS] if name in (*STAGES, "gateway", "aggregator") else []
    assert others == (["reads:/reads"] if name == "reads" else models)
    assert mount == {
        "type": "volume",
        "source": "keys",
        "target": "/run/secrets",
        "read_only": True,
        "volume": {"subpath": name},
    }


def test_models_of_another_folder_are_served_with_their_labels() -> None:
    assert MODELS.replace("/app/triton_models", "/models") in services(FILES[0])["triton"]["volumes"]


def test_the_keys_are_made_where_no_network_is() -> None:
    keys = services(FILES[0])["keys"]
    assert keys["network_mode"] == "none"
    assert keys["volumes"] == ["./deploy/keys.sh:/usr/local/bin/keys.sh:ro", "keys:/keys"]


@pytest.mark.parametrize("name", [*STAGES, "aggregator"])
def test_what_stays_inside_is_told_no_secret_of_the_settings_file(name: str) -> None:
    secrets = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    ours = secrets - {"nats_password"} | {"webhook_targets"}  # whose addresses may hold passwords
    environment = services(FILES[0])[name]["environment"]
    assert {each: environment[f"PLATELANE_{each.upper()}"] for each in ours} == dict.fromkeys(ours, "")


@pytest.mark.parametrize("name", SERVICES)
def test_only_what_sends_requests_out_has_a_way_out(name: str) -> None:
    assert ("outside" in services(FILES[0])[name]["networks"]) == (name in ("gateway", "webhook_svc"))


def test_an_upgrade_replaces_every_service_and_starts_the_aggregator_before_webhook_svc_gives_its_work_up() -> None:
    script = (ROOT / "deploy" / "upgrade.sh").read_text()
    [order] = re.findall(r"set -- (.*)", script)
    assert set(order.split()) == {*SERVICES, "triton"}
    assert order.index("aggregator") < order.index("webhook_svc")


def test_tokens_are_on() -> None:
    assert services(FILES[0])["gateway"]["environment"]["PLATELANE_PROFILE"] == "${PLATELANE_PROFILE:-cloud}"


@pytest.mark.parametrize("name", SERVICES)
def test_only_real_settings_are_set(name: str) -> None:
    known = {f"PLATELANE_{field.upper()}" for field in Settings.model_fields}
    assert set(services(FILES[0])[name]["environment"]) <= known


def test_the_front_looks_for_gateways_where_they_are() -> None:
    front = (ROOT / "deploy" / "haproxy.cfg").read_text()
    environment = services(FILES[0])["gateway"]["environment"]
    assert f"check port {environment['PLATELANE_HEALTH_PORT']} " in front
    for name in ("PORT", "GRPC_PORT"):
        assert f"gateway:{environment[f'PLATELANE_{name}']}\n" in front
    published = [port.split(":")[-1] for port in services(FILES[0])["front"]["ports"]]
    assert published == re.findall(r"bind :(80[89]0)", front)
    assert set(services(FILES[0])["front"]["networks"]) < set(services(FILES[0])["gateway"]["networks"])


def test_a_gpu_is_asked_for_and_the_overlay_takes_it_back() -> None:
    wanted = services(FILES[0])["triton"]["deploy"]["resources"]["reservations"]["devices"]
    assert wanted == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    overlay = services(FILES[1])
    assert set(overlay) == {"triton"}
    assert overlay["triton"]["deploy"]["resources"]["reservations"]["devices"] is None
    assert overlay["triton"]["build"]["target"] == "triton-cpu"


def test_the_recipe_for_tls_reaches_the_gateway_with_every_overlay() -> None:
    """Compose loads no docker-compose.override.yml where files are named, so the recipe is a file that is named too."""
    document = (ROOT / "docs" / "deployment.md").read_text()
    [files] = re.findall(r"^export COMPOSE_FILE=(\S*tls\S*)$", document, re.MULTILINE)
    assert files.split(":") == [*FILES, TLS]
    assert "override.yml" not in document
    overlay = services(TLS)
    assert set(overlay) == {"gateway"}
    folder, inside, _ = overlay["gateway"]["volumes"][0].split(":")
    assert folder == "./tls"
    settings = {f"PLATELANE_{name.upper()}" for name in Settings.model_fields}
    assert overlay["gateway"]["environment"].keys() <= settings
    for path in overlay["gateway"]["environment"].values():
        assert path.startswith(f"{inside}/")
    assert "PLATELANE_TLS_CERT" not in services(FILES[0])["gateway"].get("environment", {})


@pytest.mark.parametrize("file", [*FILES, TLS])
def test_every_variable_has_a_default(file: str) -> None:
    """Compose prints a warning for each one that has none and is not set, inside another one's alternative, too."""
    assert re.findall(r"\$\{\w+\}|\$[A-Z_]+\b", (ROOT / file).read_text()) == []


@pytest.mark.parametrize("files", [(FILES[0], TLS), (*FILES, TLS)])
def test_compose_renders_the_recipe_for_tls(files: tuple[str, ...]) -> None:
    gateway = yaml.safe_load(configured(files))["services"]["gateway"]
    assert gateway["environment"]["PLATELANE_TLS_CERT"] == "/tls/cert.pem"
    assert any(volume["target"] == "/tls" for volume in gateway["volumes"])


@pytest.mark.parametrize("model", sorted(path.parent.name for path in ROOT.glob("triton_models/*/config.pbtxt")))
def test_tensorrt_engines_are_kept_on_a_volume(model: str) -> None:
    config = (ROOT / "triton_models" / model / "config.pbtxt").read_text()
    folders = re.findall(r'"trt_engine_cache_path" value: "(.+?)"', config)
    assert [f"engines:{folder}" for folder in folders] == ["engines:/var/cache/tensorrt"]
    assert f"engines:{folders[0]}" in services(FILES[0])["triton"]["volumes"]


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["gpu", "cpu"])
def test_compose_accepts_the_files(files: tuple[str, ...]) -> None:
    configured(files)


def test_the_webhooks_of_one_token_leave_room_for_those_of_others() -> None:
    """NATS keeps the room of each queue free: beside streams and half of the operator's, that of two tokens fits."""
    (limit,) = re.findall(r"max_file_store: (\d+)GB", (ROOT / "deploy" / "nats.conf").read_text())
    settings = Settings()
    streams = sum(stream.max_bytes or 0 for stream in topology.streams(settings))
    of_operator, of_token = (
        plan_of(Hook(target="http://a.example/", id=1, account=account), settings.webhook_queue).max_bytes
        for account in ("", "token")
    )
    assert streams + MOST_HOOKS * (of_operator / 2 + 2 * of_token) < int(limit) << 30
