"""The commands of `platelane`, and how their errors are shown."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from typer.core import TyperGroup

from platelane import validation
from platelane.cli import dead, hooks, tokens, topology
from platelane.cli.client import Client, find_photos
from platelane.cli.console import console
from platelane.cli.read import Format, read_photos
from platelane.cli.server import Ca, Token, Url, server_address, trusted
from platelane.cli.settings_table import settings_markdown, settings_table
from platelane.errors import PlatelaneError
from platelane.local.programs import SERVICES
from platelane.reasons import reason
from platelane.runtime.settings import read_settings

_HELP = """\
Reads number plates and vehicles from photographs, on your own machine.

Start the whole system in one terminal and read photos in another:

    platelane up
    platelane read photo.jpg
    platelane read folder/ --format csv --out plates.csv

Every client of the Plate Recognizer Snapshot API works against the address that `platelane up` prints.
"""


class _PlainErrors(TyperGroup):
    """Explains a bad option in our own words where typer would show pydantic's."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                error.message = validation.sentence(error.__cause__.errors(include_input=False)[0], "").lstrip(": ")
            raise


app = typer.Typer(
    cls=_PlainErrors,
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(dead.app, name="dead")
app.add_typer(hooks.app, name="hooks")
app.add_typer(tokens.app, name="tokens")
app.add_typer(topology.app, name="topology")


StateDir = Annotated[Path | None, typer.Option(help="Where data and logs are kept. Default: PLATELANE_STATE_DIR.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
def up(
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the REST API; 0 for any free port. Default: PLATELANE_PORT or 8080."
        ),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVICE=N",
            help=f"Run N processes of a service; takes several, and is repeatable. Services: {', '.join(SERVICES)}.",
        ),
    ] = None,
    state_dir: StateDir = None,
    models: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder with the models. Default: PLATELANE_MODEL_REPOSITORY."),
    ] = None,
    photo: Annotated[
        Path | None, typer.Option(help="Photo to read first; its answer is shown. Default: a sample photo, not shown.")
    ] = None,
) -> None:
    """Start everything on this machine and serve until Ctrl-C.

    Starts nats-server, Triton (on the CPU) and the services, on loopback only. If a default port is taken, another is
    used and reported; if the port given with --port is taken, the command fails. Programs that die are restarted. The
    system is ready once it has read a photo from end to end.
    """
    from platelane.cli.up import up as run_up  # needs a POSIX system; `read` does not

    settings = read_settings()
    changes = {
        "port": settings.port if port is None else port,
        "state_dir": (state_dir or settings.state_dir).expanduser().absolute(),
        "model_repository": (models or settings.model_repository).expanduser().absolute(),
    }
    elsewhere = changes["state_dir"] != settings.state_dir.expanduser().absolute()
    settings = settings.model_copy(update=changes)
    if more and not scale:
        raise typer.BadParameter(f"{more[0]!r} is not an option of `platelane up`.")
    numbers = _scale([*(scale or []), *(more or [])])
    asyncio.run(run_up(settings, numbers, photo, console(), fixed_port=bool(port), elsewhere=elsewhere))


@app.command()
def setup(state_dir: StateDir = None) -> None:
    """Install Triton for the CPU, which `platelane up` runs. Needed once; takes about a minute.

    Triton is installed from pip's configured package index into its own environment: in the state directory, or in
    `.venv-triton` of a checkout.
    """
    from platelane.local.triton_environment import environment_folder, make_environment

    folder = environment_folder((state_dir or read_settings().state_dir).expanduser().absolute())
    make_environment(folder, print)
    print(f"Triton is ready in {folder}")


@app.command()
def read(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Image files, or folders with images.")],
    url: Url = None,
    token: Token = "",
    ca: Ca = None,
    regions: Annotated[str, typer.Option(help="Regions to expect, comma-separated: `us-ca,fr`.")] = "",
    mmc: Annotated[bool, typer.Option("--mmc", help="Also report make, model, color and orientation.")] = False,
    config: Annotated[
        str, typer.Option(metavar="JSON", help='Engine options as JSON, e.g. `{"detection_mode":"vehicle"}`.')
    ] = "",
    camera_id: Annotated[str, typer.Option(help="Camera name to put in the answers.")] = "",
    format: Annotated[
        Format | None, typer.Option(help="Default: a table for one photo on a terminal, else JSON lines.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
    in_flight: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Photos to send at once.")] = 4,
) -> None:
    """Read photos through a running server.

    One record per photo, in the order given. Photos that cannot be read are reported and do not stop the others;
    the exit code is then 1.
    """
    fields = {"regions": regions, "mmc": "true" if mmc else "", "config": _json_object(config), "camera_id": camera_id}
    sent = {name: value for name, value in fields.items() if value}
    found = find_photos(photos)
    client = Client(server_address(url, read_settings()), token, trusted(ca))
    if not asyncio.run(read_photos(client, found, sent, in_flight=in_flight, format=format, out=out)):
        raise typer.Exit(1)


@app.command()
def learn(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder or zip: pictures, and a list `file, text[, region][, box]` as CSV."
        ),
    ],
    attributes: Annotated[
        bool,
        typer.Option("--attributes", help="Learn vehicles instead of plates: `file, type, color, make, model`."),
    ] = False,
    region: Annotated[str, typer.Option(help="Region of plates whose row has none, such as `om`.")] = "",
    guard: Annotated[
        list[Path] | None,
        typer.Option(help="Folder like FOLDER with pictures that must not get worse; repeatable."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=600, help="Minutes to train. Default: 5, or 1 on a GPU.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Train this many steps instead: the same on every machine.")
    ] = 0,
    out: Annotated[Path, typer.Option(help="Where to create the new model folder.")] = Path("learned"),
    models: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Models to start from. Default: PLATELANE_MODEL_REPOSITORY."),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="CPU threads; 0 for all.")] = 0,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Accept a loss of more than a point on other plates.")
    ] = False,
    accept_texts: Annotated[
        bool, typer.Option("--accept-texts", help="Accept texts that fit no template of their region.")
    ] = False,
    skip_faulty: Annotated[bool, typer.Option("--skip-faulty", help="Skip faulty rows.")] = False,
    guard_plates: Annotated[int, typer.Option(min=100, max=20_000, help="Drawn plates to measure the loss on.")] = 800,
) -> None:
    """Train the models on your own plates or vehicles, and save the result as a new model folder.

    Checks every row first. Measures the result on some of your plates, which are held back from training, and on plates
    of all regions, which must not lose more than a point. The models in use do not change.
    """
    from platelane.cli.learn import learn as run_learn  # needs a POSIX system

    chosen = {
        "folder": folder,
        "attributes": attributes,
        "region": region,
        "guards": tuple(guard or ()),
        "minutes": minutes,
        "steps": steps,
        "out": out,
        "models": (models or read_settings().model_repository).expanduser(),
        "threads": threads,
        "accept_loss": accept_loss,
        "accept_texts": accept_texts,
        "skip_faulty": skip_faulty,
        "guard_plates": guard_plates,
    }
    run_learn(chosen, console())


@app.command()
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the configuration table of the README.")] = False,
) -> None:
    """List all settings: environment variable, current value, default, meaning."""
    if markdown:
        print(settings_markdown())
    else:
        console().print(settings_table(read_settings()))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"platelane {package_version('platelane')}")


def run() -> None:
    """Runs the command; every expected error is one clear message and exit code 1."""
    try:
        app()
    except PlatelaneError as error:
        _fail(error.detail)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else reason(error))
    except RuntimeError as error:
        if "home directory" not in str(error):
            raise
        _fail("A path begins with ~, but the home directory of that user is not known.")


def _fail(message: str) -> None:
    errors = Console(stderr=True)
    errors.print("[bold red]Error:[/bold red]", end=" ")
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


def _scale(options: list[str]) -> dict[str, int]:
    """`["ocr=2"]` as `{"ocr": 2}`. Only one gateway is allowed, since it owns the port."""
    scale: dict[str, int] = {}
    for option in filter(None, re.split(r"[\s,]+", " ".join(options))):
        service, _, count = option.partition("=")
        if service not in SERVICES or not re.fullmatch(r"[1-9]\d?", count):
            raise typer.BadParameter(
                f"{option!r} is not SERVICE=N with N from 1 to 99 and one of {', '.join(SERVICES)}."
            )
        if service == "gateway" and count != "1":
            raise typer.BadParameter("Only one gateway can run on a machine, since it owns the port.")
        scale[service] = int(count)
    return scale


def _json_object(text: str) -> str:
    """Returns `text` if it is empty or a JSON object."""
    if not text:
        return ""
    try:
        if isinstance(json.loads(text), dict):
            return text
    except ValueError:
        pass
    raise typer.BadParameter(f"--config is not a JSON object: {text}")
