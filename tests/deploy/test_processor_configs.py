"""Model configurations for processors: they equal the models' own except for how a model is run, and every Triton
without a GPU is configured to use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tests.deploy.test_compose_files import FILES, services

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(ROOT.glob("triton_models/*/configs/cpu.pbtxt"))
FLAG = "--model-config-name=cpu"
KUBERNETES = ROOT / "deploy" / "kubernetes"


def parsed(file: Path) -> Any:
    return text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())


def test_there_is_one_for_the_detector() -> None:
    assert [file.parents[1].name for file in CONFIGS] == ["detector"]


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.parents[1].name)
def test_it_takes_and_answers_what_the_models_own_does(file: Path) -> None:
    own, processor = parsed(file.parents[1] / "config.pbtxt"), parsed(file)
    for field in ("name", "backend", "max_batch_size", "input", "output"):
        assert getattr(processor, field) == getattr(own, field)
    for key in ("cpu_model_filename", "avx2_model_filename"):
        assert processor.parameters[key] == own.parameters[key]
        assert (file.parents[1] / "1" / own.parameters[key].string_value).is_file()


def test_compose_starts_triton_without_a_gpu_as_with_one_but_for_them() -> None:
    gpu, cpu = (services(file)["triton"]["command"] for file in FILES)
    assert sorted(cpu) == sorted([*gpu, FLAG])


def test_kubernetes_starts_triton_without_a_gpu_as_with_one_but_for_them() -> None:
    base = yaml.safe_load_all((KUBERNETES / "base" / "triton.yaml").read_text())
    [gpu] = [part for part in base if part and part["kind"] == "StatefulSet"]
    cpu = yaml.safe_load((KUBERNETES / "overlays" / "cpu" / "triton.yaml").read_text())
    args = [part["spec"]["template"]["spec"]["containers"][0]["args"] for part in (gpu, cpu)]
    assert sorted(args[1]) == sorted([*args[0], FLAG])
