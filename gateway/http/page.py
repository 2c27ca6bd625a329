"""The console: the page that browsers get at `/`, and its files under `/console/`."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from functools import cache
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console import WEB
from gateway.http.static_files import FOREVER, REVALIDATE, SECURITY, StaticFile
from platelane import resources

_INDEX: Final = "index.html"
_SAMPLE: Final = "sample.jpg"
_SHEETS: Final = ("theme", "elements", "shell", "views")
"""The style sheets, in order. They are inlined, because the page is not painted until the last one has loaded."""
_FIRST: Final = ("app.js", "views/try.js")
"""The modules that every visit loads first; the page preloads them and everything that they import."""
_IMPORT: Final = re.compile(r'^(?:.* from|import) "(\.[^"]+)";$', re.MULTILINE)


def routes() -> list[Route]:
    """The files. Their URLs contain a hash of all contents, so browsers may cache them forever."""

    async def file(request: Request) -> Response:
        name, files = request.path_params["path"], _files()
        if request.path_params["version"] != _version() or name not in files or name == _INDEX:
            raise HTTPException(404)
        return files[name].response(request, FOREVER)

    return [Route("/console/{version}/{path:path}", file, methods=["GET"], include_in_schema=False)]


def page(request: Request) -> Response:
    """The page itself, which has the current URLs of all other files."""
    answer = _page().response(request, REVALIDATE, vary="Accept, Accept-Encoding")
    answer.headers["Content-Security-Policy"] = _policy()
    return answer


@cache
def _files() -> dict[str, StaticFile]:
    """Every file by its path below `/console/VERSION/`, read once: a few hundred kB."""
    found = {path.relative_to(WEB).as_posix(): path for path in sorted(WEB.rglob("*")) if path.is_file()}
    for name in _SHEETS:
        del found[f"styles/{name}.css"]
    if resources.SAMPLE.is_file():
        found[_SAMPLE] = resources.SAMPLE
    return {name: StaticFile.read(path) for name, path in found.items()}


@cache
def _version() -> str:
    return hashlib.sha256("".join(file.digest for file in _files().values()).encode()).hexdigest()[:12]


@cache
def _page() -> StaticFile:
    base = f"/console/{_version()}"
    preloads = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in _imported())
    text = _files()[_INDEX].content.decode().replace("{base}", base).replace("<!-- preloads -->", preloads)
    return StaticFile(text.replace("<!-- styles -->", f"<style>{_styles()}</style>").encode(), ".html")


@cache
def _styles() -> str:
    return "".join((WEB / "styles" / f"{name}.css").read_text("utf-8") for name in _SHEETS)


@cache
def _policy() -> str:
    """The usual policy, which also allows the inlined style sheet."""
    digest = base64.b64encode(hashlib.sha256(_styles().encode()).digest()).decode()
    return SECURITY["Content-Security-Policy"].replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'")


def _imported() -> list[str]:
    """The first modules and all that they import, in the order in which they are found."""
    found = list(_FIRST)
    for name in found:  # grows
        for relative in _IMPORT.findall(_files()[name].content.decode()):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))
            if target not in found:
                found.append(target)
    return found
