from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from platelane.cli.settings_table import settings_markdown, settings_table, shown
from platelane.runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_has_the_table_of_all_settings() -> None:
    table = settings_markdown()
    assert table.count("\n") == len(Settings.model_fields) + 1
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert table in readme, "the README's configuration table is not what `platelane settings --markdown` prints"


def test_the_table_tells_what_differs_from_the_default() -> None:
    text = io.StringIO()
    Console(width=300, file=text).print(settings_table(Settings(port=9999)))
    (line,) = (line for line in text.getvalue().splitlines() if "PLATELANE_PORT " in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "PLATELANE_PORT",
        "9999",
        "8080",
        "port of the REST API",
    ]


def test_values_are_shown_as_they_are_written() -> None:
    assert shown(("https://a.example", "https://b.example")) == "https://a.example,https://b.example"
    assert shown(ROOT / "triton_models") == "triton_models"
    assert shown(Path("/elsewhere")) == "/elsewhere"
