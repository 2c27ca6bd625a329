"""`platelane settings`: the list of settings, generated from the settings class."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo
from rich.table import Table

from platelane.resources import ROOT
from platelane.runtime.settings import Settings


def settings_table(current: Settings) -> Table:
    """All settings; those that differ from their default are in bold."""
    table = Table(header_style="bold")
    table.add_column("Variable", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("Default", overflow="fold")
    table.add_column("What it is")
    for name, field in Settings.model_fields.items():
        value, default = shown(getattr(current, name)), _default(field, dict(current))
        changed = value != default
        table.add_row(_variable(name), value, default, field.description, style="bold" if changed else "")
    return table


def settings_markdown() -> str:
    """The configuration table of the README."""
    lines = [
        f"| `{_variable(name)}` | {_code(_default(field, {}))} | {_described(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *lines])


def shown(value: object) -> str:
    """A value as it would be written in the environment; paths inside this installation are relative to it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return str(value.relative_to(ROOT))
    return str(value)


def _default(field: FieldInfo, chosen: dict[str, object]) -> str:
    """A default as it would be written in the environment; some depend on the `chosen` values of other settings."""
    return shown(field.get_default(call_default_factory=True, validated_data=chosen))


def _variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def _described(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else "(empty)"
