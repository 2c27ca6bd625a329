"""The `platelane` command."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from platelane.cli import hooks, tokens
from platelane.cli.read import Format, read_photos
from platelane.cli.server import running_server
from platelane.cli.settings_table import settings_markdown, settings_table
from platelane.errors import PlatelaneError
from platelane.settings import Settings
from platelane.supervisor.programs import SERVICES

_HELP = """\
Reads number plates and vehicles from photographs, on your own machine.

Start the whole system in one terminal and read photos in another:

    platelane up
    platelane read photo.jpg
    platelane read folder/ --format csv --out plates.csv

Every client of the Plate Recognizer Snapshot API works against the address that `platelane up` prints.
"""

app = typer.Typer(
    help=_HELP, no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)
app.add_typer(hooks.app, name="hooks")
app.add_typer(tokens.app, name="tokens")


@app.command()
def up(
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the REST API; 0 takes any free one. Default: PLATELANE_PORT or 8080."
        ),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVICE=N", help=f"Run N processes of a service; repeatable. One of {', '.join(SERVICES)}."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Where data and logs are kept. Default: PLATELANE_STATE_DIR.")
    ] = None,
    photo: Annotated[
        Path | None, typer.Option(help="The first photo to read, whose answer is shown. Default: the sample, unseen.")
    ] = None,
) -> None:
    """Start everything on this machine and serve until Ctrl-C.

    Starts nats-server, Triton (on the CPU) and the five services, on loopback only. When a usual port is taken, another
    one is used and said. A program that dies is started again. The system counts as ready when a photo has been read
    through all of it.
    """
    from platelane.cli.up import up as run_up  # needs a POSIX system; `read` does not

    settings = Settings()
    changes = {
        "port": settings.port if port is None else port,
        "state_dir": (state_dir or settings.state_dir).expanduser().absolute(),
    }
    settings = settings.model_copy(update=changes)
    asyncio.run(run_up(settings, _scale(scale or []), photo, Console()))


@app.command()
def read(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Image files, or folders of them.")],
    url: Annotated[
        str | None, typer.Option(help="Server to use. Default: the one that `platelane up` started, or port 8080 here.")
    ] = None,
    token: Annotated[str, typer.Option(envvar="PLATELANE_TOKEN", help="API token, where the server wants one.")] = "",
    regions: Annotated[str, typer.Option(help="Regions whose plates are likely, comma-separated: `us-ca,fr`.")] = "",
    mmc: Annotated[bool, typer.Option("--mmc", help="Also tell make, model, color and orientation.")] = False,
    config: Annotated[
        str, typer.Option(metavar="JSON", help='Engine options as JSON, e.g. `{"detection_mode":"vehicle"}`.')
    ] = "",
    camera_id: Annotated[str, typer.Option(help="Camera to name in the answers.")] = "",
    format: Annotated[
        Format | None, typer.Option(help="Default: a table for one photo on a terminal, else JSON lines.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of the standard output.")] = None,
    in_flight: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Photos to send at a time.")] = 4,
) -> None:
    """Read photos through a running server.

    One record per photo, in the order given. Photos that cannot be read are reported and do not stop the others;
    the exit code is then 1.
    """
    fields = {"regions": regions, "mmc": "true" if mmc else "", "config": _json_object(config), "camera_id": camera_id}
    sent = {name: value for name, value in fields.items() if value}
    address = url or running_server()
    if not asyncio.run(read_photos(address, photos, sent, token=token, in_flight=in_flight, format=format, out=out)):
        raise typer.Exit(1)


@app.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the configuration table of the README.")] = False,
) -> None:
    """List all settings: environment variable, value now, default, meaning."""
    if markdown:
        print(settings_markdown())
    else:
        Console().print(settings_table(Settings()))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"platelane {package_version('platelane')}")


def main() -> None:
    """Entry point: every expected error is one clear message and exit code 1."""
    try:
        app()
    except PlatelaneError as error:
        _fail(error.detail)
    except ValidationError as error:
        prefix = Settings.model_config["env_prefix"]
        _fail("\n".join(f"{prefix}{problem['loc'][0]}".upper() + f": {problem['msg']}" for problem in error.errors()))
    except OSError as error:
        _fail(str(error))


def _fail(message: str) -> None:
    console = Console(stderr=True)
    console.print("[bold red]Error:[/bold red]", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


def _scale(options: list[str]) -> dict[str, int]:
    """`["ocr=2"]` as `{"ocr": 2}`; one gateway only, since it owns the port."""
    scale: dict[str, int] = {}
    for option in options:
        service, _, count = option.partition("=")
        if service not in SERVICES or not re.fullmatch(r"[1-9]\d?", count):
            raise typer.BadParameter(
                f"{option!r} is not SERVICE=N with N from 1 to 99 and one of {', '.join(SERVICES)}."
            )
        if service == "gateway" and count != "1":
            raise typer.BadParameter("There is one gateway on one machine; it owns the port.")
        scale[service] = int(count)
    return scale


def _json_object(text: str) -> str:
    """The text itself if it is a JSON object or empty."""
    if not text:
        return ""
    try:
        if isinstance(json.loads(text), dict):
            return text
    except ValueError:
        pass
    raise typer.BadParameter(f"--config is not a JSON object: {text}")
