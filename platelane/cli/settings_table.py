"""`platelane settings`: what can be configured, out of the settings themselves."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo
from rich.table import Table

from platelane.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]


def settings_table(current: Settings) -> Table:
    """All settings; those that differ from their default are set in bold."""
    table = Table(header_style="bold")
    table.add_column("Variable", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("Default", overflow="fold")
    table.add_column("What it is")
    for name, field in Settings.model_fields.items():
        value, default = shown(getattr(current, name)), shown(field.default)
        changed = value != default
        table.add_row(_variable(name), value, default, field.description, style="bold" if changed else "")
    return table


def settings_markdown() -> str:
    """The configuration table of the README."""
    lines = [
        f"| `{_variable(name)}` | {_code(shown(field.default))} | {_described(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *lines])


def shown(value: object) -> str:
    """A value as one would write it into the environment; paths of this installation relative to it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, Path) and value.is_relative_to(_ROOT):
        return str(value.relative_to(_ROOT))
    return str(value)


def _variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def _described(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`" if text else "(empty)"
