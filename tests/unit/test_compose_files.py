"""What the compose files promise, read from the files; the engine's own check runs where its client is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from platelane.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.cpu.yml")
SERVICES = ("gateway", "detector", "ocr", "attributes", "webhook_svc")


class Loader(yaml.SafeLoader):
    """YAML with Compose's `!reset`, which takes a value of the file below out again."""


Loader.add_constructor("!reset", lambda _loader, _node: None)


def services(file: str) -> dict[str, dict[str, Any]]:
    loaded = yaml.load((ROOT / file).read_text(), Loader)
    result: dict[str, dict[str, Any]] = loaded["services"]
    return result


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_its_package_from_the_one_image(name: str) -> None:
    service = services(FILES[0])[name]
    assert service["command"] == ["python", "-m", name]
    assert (ROOT / name / "__main__.py").is_file()
    assert service["image"] == services(FILES[0])["gateway"]["image"]
    assert ("build" in service) == (name == "gateway"), "built once; every service builds an image of its own otherwise"
    assert service["read_only"] is True


@pytest.mark.parametrize("name", [*SERVICES, "nats", "triton"])
def test_every_container_can_be_scaled_and_has_no_privileges(name: str) -> None:
    service = services(FILES[0])[name]
    assert "container_name" not in service
    assert ("ports" in service) == (name == "gateway")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize(("name", "needs"), [("gateway", {"nats"}), ("detector", {"nats", "triton"})])
def test_services_wait_for_healthy_servers(name: str, needs: set[str]) -> None:
    waits = services(FILES[0])[name]["depends_on"]
    assert waits == {server: {"condition": "service_healthy"} for server in needs}


@pytest.mark.parametrize("name", SERVICES)
def test_only_real_settings_are_set(name: str) -> None:
    known = {f"PLATELANE_{field.upper()}" for field in Settings.model_fields}
    assert set(services(FILES[0])[name]["environment"]) <= known


def test_a_gpu_is_asked_for_and_the_overlay_takes_it_back() -> None:
    wanted = services(FILES[0])["triton"]["deploy"]["resources"]["reservations"]["devices"]
    assert wanted == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    overlay = services(FILES[1])
    assert set(overlay) == {"triton"}
    assert overlay["triton"]["deploy"]["resources"]["reservations"]["devices"] is None
    assert overlay["triton"]["build"]["target"] == "triton-cpu"


@pytest.mark.parametrize("model", sorted(path.parent.name for path in ROOT.glob("triton_models/*/config.pbtxt")))
def test_tensorrt_engines_are_kept_on_a_volume(model: str) -> None:
    config = (ROOT / "triton_models" / model / "config.pbtxt").read_text()
    folders = re.findall(r'"trt_engine_cache_path" value: "(.+?)"', config)
    assert [f"engines:{folder}" for folder in folders] == ["engines:/var/cache/tensorrt"]
    assert f"engines:{folders[0]}" in services(FILES[0])["triton"]["volumes"]


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["gpu", "cpu"])
def test_compose_accepts_the_files(files: tuple[str, ...]) -> None:
    client = shutil.which("docker")
    if client is None or subprocess.run([client, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose client")
    chosen = [argument for file in files for argument in ("-f", file)]
    checked = subprocess.run(
        [client, "compose", *chosen, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")
