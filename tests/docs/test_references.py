"""Everything that the documents refer to exists: files, links, modules, settings and metrics."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import REGISTRY

import platelane.runtime.metrics  # noqa: F401  registers what the documents name
from platelane.runtime.settings import Settings

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "training" / "README.md",
    ROOT / "deploy" / "kubernetes" / "README.md",
]
_FILE: Final = re.compile(r"`([a-z][\w./-]*/[\w./-]+\.(?:py|proto|toml|yml|yaml|csv|sh|conf|cfg|md|txt|json))`")
_LINK: Final = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")
_OURS: Final = "gateway|detector|ocr|attributes|aggregator|webhook_svc|reads|training|benchmarks"
_MODULE: Final = re.compile(rf"python -m ((?:{_OURS})[\w.]*)")
_SETTING: Final = re.compile(r"`(PLATELANE_[A-Z0-9_]+)`")
_METRIC: Final = re.compile(r"`(platelane_[a-z_]+)`")
_OUTSIDE: Final = frozenset(
    f"PLATELANE_{name}" for name in ("BIND", "FONTS", "FRONT_IMAGE", "IMAGE", "MODELS", "TRITON_CPU_IMAGE")
)
"""Variables of compose and of training, which are no settings of the services."""


def anchors(document: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    folders = ROOT, document.parent
    missing = [name for name in _FILE.findall(text) if not any((folder / name).exists() for folder in folders)]
    for target, anchor in _LINK.findall(text):
        path = document.parent / target
        if not path.exists():
            missing.append(target)
        elif anchor and path.suffix == ".md" and anchor[1:] not in anchors(path.read_text(encoding="utf-8")):
            missing.append(target + anchor)
    missing += [name for name in _MODULE.findall(text) if importlib.util.find_spec(name.rstrip(".")) is None]
    settings = {f"PLATELANE_{name.upper()}" for name in Settings.model_fields} | _OUTSIDE
    missing += [name for name in _SETTING.findall(text) if name not in settings]
    metrics = {sample for metric in REGISTRY.collect() for sample in _samples(metric.name, metric.type)}
    secrets = {name.lower() for name in settings}
    missing += [name for name in _METRIC.findall(text) if name not in metrics | secrets]
    assert missing == []


def _samples(name: str, kind: str) -> list[str]:
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(kind, [])
    return [name, *(name + suffix for suffix in suffixes)]
