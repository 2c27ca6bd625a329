"""The console as the gateway serves it: who gets it, with which headers, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx
import pytest

from console import WEB

from .conftest import Gateway

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGE_BYTES = 150_000


def base_of(client: httpx.Client) -> str:
    """Where the files are."""
    found = re.search(r'src="(/console/[0-9a-f]{12})/app\.js"', client.get("/", headers=HTML).text)
    assert found
    return found[1]


def test_programs_get_json_and_browsers_the_page(client: httpx.Client) -> None:
    for headers in (
        {},
        {"Accept": "*/*"},
        {"Accept": "application/json"},
        {"Accept": "application/json, text/html;q=0.1"},
    ):
        answer = client.get("/", headers=headers)
        assert answer.json()["name"] == "platelane"
        assert "Accept" in answer.headers["vary"]
    answer = client.get("/", headers=HTML)
    assert answer.headers["content-type"].startswith("text/html")
    assert "Accept" in answer.headers["vary"]
    assert client.head("/", headers=HTML).status_code == 200


def test_nothing_runs_but_files_of_this_server(client: httpx.Client) -> None:
    answer = client.get("/", headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    (styles,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}';" in policy
    rest = answer.text.replace(styles, "")
    assert not re.search(r"<script(?![^>]* src=)|<style[^>]|\son\w+=|style=|https?:", rest)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("file", sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.*")))
def test_files_name_no_other_host(file: str) -> None:
    text = (WEB / file).read_text()
    addresses = set(re.findall(r"https?://[a-z0-9][\w.-]*", text))
    assert addresses <= {"http://www.w3.org", "https://example.com"}  # SVG's namespace, and an example


def test_the_page_is_revalidated_and_its_files_are_kept_for_good(client: httpx.Client) -> None:
    page = client.get("/", headers=HTML)
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/", headers={**HTML, "If-None-Match": page.headers["etag"]}).status_code == 304
    script = client.get(f"{base_of(client)}/app.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert script.headers["content-encoding"] == "gzip"


def test_all_of_it_is_small(client: httpx.Client) -> None:
    """Over the wire, with every view and the largest language beside English; without the sample photograph."""
    base = base_of(client)
    sizes = {}
    names = {path.relative_to(WEB).as_posix() for path in WEB.rglob("*.*") if path.suffix != ".css"}
    sizes["index.html"] = int(client.get("/", headers=HTML).headers["content-length"])
    for name in names - {"index.html"}:
        answer = client.get(f"{base}/{name}")
        assert answer.status_code == 200, name
        sizes[name] = int(answer.headers["content-length"])
    languages = {name: size for name, size in sizes.items() if name.startswith("locales/") and name != "locales/en.js"}
    others = sum(size for name, size in sizes.items() if name not in languages)
    assert others + max(languages.values(), default=0) <= PAGE_BYTES


def test_the_page_names_files_that_are_there(client: httpx.Client) -> None:
    files = set(re.findall(r'(?:href|src)="(/[^"]+)"', client.get("/", headers=HTML).text))
    assert len(files) >= 15
    assert {client.get(file).status_code for file in files} == {200}


def test_every_style_sheet_is_sent(client: httpx.Client) -> None:
    (sent,) = re.findall(r"<style>(.*?)</style>", client.get("/", headers=HTML).text, re.DOTALL)
    sheets = list(WEB.rglob("*.css"))
    assert len(sheets) >= 4
    assert len(sent.encode()) == sum(sheet.stat().st_size for sheet in sheets)
    assert all(sheet.read_text() in sent for sheet in sheets)


def test_every_import_leads_to_a_file() -> None:
    for path in WEB.rglob("*.js"):
        for target in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', path.read_text()):
            assert (path.parent / target).resolve().is_file(), f"{path.name} imports {target}"


def test_the_sample_comes_with_it(client: httpx.Client) -> None:
    sample = client.get(f"{base_of(client)}/sample.jpg")
    assert sample.headers["content-type"] == "image/jpeg"
    assert "content-encoding" not in sample.headers


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/000000000000/app.js",
        "{base}/index.html",
        "{base}/styles/theme.css",
        "{base}/nothing.js",
        "{base}/..%2f__init__.py",
    ],
)
def test_there_is_nothing_else(gateway: Gateway, path: str) -> None:
    with gateway.client() as client:
        assert client.get(path.format(base=base_of(client))).status_code == 404
