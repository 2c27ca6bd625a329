"""The console: the page that browsers get at `/`, and its files under `/console/`."""

from __future__ import annotations

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
from gateway.http.static_files import FOREVER, REVALIDATE, StaticFile
from platelane import resources

_INDEX: Final = "index.html"
_SAMPLE: Final = "sample.jpg"
_STYLES: Final = "styles.css"
_SHEETS: Final = ("theme", "elements", "shell", "views")
"""The style sheets, in their order. They are sent as one: nothing is painted before the last is there."""
_FIRST: Final = ("app.js", "views/try.js")
"""What every visit begins with; the browser is told of all that these import before it has read them."""
_IMPORT: Final = re.compile(r'^(?:.* from|import) "(\.[^"]+)";$', re.MULTILINE)


def routes() -> list[Route]:
    """The files. Their addresses hold a hash of all contents, so that browsers keep them for good."""

    async def file(request: Request) -> Response:
        name, files = request.path_params["path"], _files()
        if request.path_params["version"] != _version() or name not in files or name == _INDEX:
            raise HTTPException(404)
        return files[name].response(request, FOREVER)

    return [Route("/console/{version}/{path:path}", file, methods=["GET"], include_in_schema=False)]


def page(request: Request) -> Response:
    """The page itself, which names the current addresses of everything else."""
    return _page().response(request, REVALIDATE, vary="Accept, Accept-Encoding")


@cache
def _files() -> dict[str, StaticFile]:
    """Every file by its path below `/console/VERSION/`, read once: a few hundred kB."""
    found = {path.relative_to(WEB).as_posix(): path for path in sorted(WEB.rglob("*")) if path.is_file()}
    sheets = [found.pop(f"styles/{name}.css").read_bytes() for name in _SHEETS]
    if resources.SAMPLE.is_file():
        found[_SAMPLE] = resources.SAMPLE
    files = {name: StaticFile.read(path) for name, path in found.items()}
    return {**files, _STYLES: StaticFile(b"".join(sheets), ".css")}


@cache
def _version() -> str:
    return hashlib.sha256("".join(file.digest for file in _files().values()).encode()).hexdigest()[:12]


@cache
def _page() -> StaticFile:
    base = f"/console/{_version()}"
    preloads = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in _imported())
    text = _files()[_INDEX].content.decode().replace("{base}", base).replace("<!-- preloads -->", preloads)
    return StaticFile(text.encode(), ".html")


def _imported() -> list[str]:
    """The first modules and those that they import, in the order in which they are found."""
    found = list(_FIRST)
    for name in found:  # grows
        for relative in _IMPORT.findall(_files()[name].content.decode()):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))
            if target not in found:
                found.append(target)
    return found
