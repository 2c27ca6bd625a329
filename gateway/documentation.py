"""`/openapi.json`, and the same for people at `/docs`: one page without scripts or anything from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gateway.responses import JsonResponse

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 2rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; } pre { background: var(--soft); padding: .8rem; overflow: auto; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; }
.method { font-weight: 700; } details { margin: .6rem 0; } summary { cursor: pointer; }
"""
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def routes(version: str) -> list[Route]:
    """Where the documentation is; both are made when they are first asked for."""

    async def document(_request: Request) -> Response:
        return JsonResponse(_document(version))

    async def page(_request: Request) -> Response:
        return HTMLResponse(_page(version))

    return [
        Route("/openapi.json", document, methods=["GET"], include_in_schema=False),
        Route("/docs", page, methods=["GET"], include_in_schema=False),
    ]


@cache
def _document(version: str) -> dict[str, Any]:
    from gateway.openapi import document  # a hundred models, which most processes are never asked for

    return document(version)


@cache
def _page(version: str) -> str:
    return render(_document(version))


def render(document: dict[str, Any]) -> str:
    """An OpenAPI document as an HTML page."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f'<h1>{title}</h1><p>{_text(info["description"])}</p><p><a href="openapi.json">openapi.json</a></p>'
        f"{''.join(_operations(document))}<h2>Models</h2>{''.join(_models(document))}</html>"
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield _operation(method, path, item[method], item.get("parameters", []))


def _operation(method: str, path: str, operation: dict[str, Any], shared: list[dict[str, Any]]) -> str:
    name = escape(operation["operationId"])
    parts = [
        f'<h2 id="{name}"><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h2>',
        f"<p><b>{_text(operation['summary'])}.</b> {_text(operation.get('description', ''))}</p>",
    ]
    rows = [
        (f"<code>{escape(each['name'])}</code>", escape(each["in"]), _text(each.get("description", "")))
        for each in [*shared, *operation.get("parameters", [])]
    ]
    if rows:
        parts.append(_table(("Parameter", "In", "What it is"), rows))
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        sent = [(f"<code>{escape(kind)}</code>", _type(media["schema"])) for kind, media in content.items()]
        parts.append(_table(("Sent as", "Model"), sent))
    answers = [
        (
            f"<code>{escape(status)}</code>",
            " ".join(_type(media["schema"]) for media in answer.get("content", {}).values()),
            _text(answer["description"]),
        )
        for status, answer in sorted(operation["responses"].items())
    ]
    return "".join([*parts, _table(("Status", "Model", "When"), answers)])


def _models(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        required = schema.get("required", [])
        rows = [
            (
                f"<code>{escape(field)}</code>{'' if field in required else ' (optional)'}",
                _type(each),
                _text(each.get("description", "")),
            )
            for field, each in schema.get("properties", {}).items()
        ]
        source = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield (
            f'<h3 id="model-{escape(name)}">{escape(name)}</h3><p>{_text(schema.get("description", ""))}</p>'
            f"{_table(('Field', 'Type', 'What it is'), rows)}"
            f"<details><summary>JSON Schema</summary><pre>{source}</pre></details>"
        )


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, models as links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#model-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return escape(" ".join([str(schema.get("type", "any")), *bounds]))


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{each}" for each in header)
    return f"<table><tr>{head}{''.join('<tr>' + ''.join(f'<td>{cell}' for cell in row) for row in rows)}</table>"


def _text(text: str) -> str:
    """Plain text, in which backquotes mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
