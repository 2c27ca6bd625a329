"""`platelane hooks`: creates, lists, changes and tests webhooks; lists and resends undelivered events."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.table import Table

from platelane.cli.console import console
from platelane.cli.server import Ca, Token, Url, authorization, is_local, server_address, trusted, unreachable
from platelane.errors import BadRequest, EngineUnavailable
from platelane.runtime.settings import read_settings

app = typer.Typer(help="Manage webhooks, the addresses that results are sent to.", no_args_is_help=True)

_PATH: Final = "/v1/webhooks/"
_TIMEOUT: Final = 30.0


class Encoding(StrEnum):
    """The encoding of the request body that a receiver expects."""

    JSON = "json"
    FORM = "form"
    MULTIPART = "multipart"


HookId = Annotated[int, typer.Argument(metavar="ID", help="ID from `platelane hooks list`.")]
Format = Annotated[
    Encoding | None, typer.Option(help="Body: JSON (default), JSON in a form field, or multipart with the picture.")
]
Header = Annotated[list[str] | None, typer.Option(metavar="NAME:VALUE", help="Extra header to send; repeatable.")]
Secret = Annotated[str | None, typer.Option(help="Key to sign requests with; empty for none.")]
WithPlate = Annotated[bool | None, typer.Option(help="Only results with a plate.")]
Camera = Annotated[list[str] | None, typer.Option(help="Only results of this camera; repeatable.")]
Plate = Annotated[list[str] | None, typer.Option(help="Only plates that match, e.g. `ab*` or `?b12*`; repeatable.")]
WatchList = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Only the plates in this file.")]
Distance = Annotated[int | None, typer.Option(min=0, max=3, help="How many characters may differ from the watch-list.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=16, help="Requests at once.")]
Ordered = Annotated[
    bool | None, typer.Option(help="Send each camera's events in order: one that fails holds up those behind it.")
]
MaxQueued = Annotated[
    int | None, typer.Option(min=1, help="Most events that may wait; beyond it, the oldest is dropped.")
]
Mail = Annotated[str | None, typer.Option(help="Email address to notify when the webhook is disabled.")]


@app.command(name="list")
def list_(url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """List all webhooks."""
    table = Table("ID", "Target", "Format", "State", "Why")
    api, path = Api(url, token, ca), ""
    while True:
        page = api.call("GET", path)
        for hook in page["results"]:
            state = "enabled" if hook["enabled"] else "disabled"
            table.add_row(str(hook["id"]), hook["target"], hook["format"], state, hook["disabled_reason"])
        if "next" not in page:
            break
        path = page["next"].removeprefix(_PATH)
    console().print(table)


@app.command()
def create(
    target: Annotated[str, typer.Argument(help="http:// or https:// address.")],
    format: Format = None,
    header: Header = None,
    secret: Secret = None,
    with_plate: WithPlate = None,
    camera: Camera = None,
    plate: Plate = None,
    watch_list: WatchList = None,
    distance: Distance = None,
    concurrency: Concurrency = None,
    ordered: Ordered = None,
    max_queued: MaxQueued = None,
    mail: Mail = None,
    url: Url = None,
    token: Token = "",
    ca: Ca = None,
) -> None:
    """Create a webhook: send every new result to an address."""
    wanted = _filter(with_plate, camera, plate, watch_list, distance)
    fields = _fields(target, format, header, secret, concurrency, ordered, max_queued, mail)
    _print(Api(url, token, ca).call("POST", "", fields | ({"filter": wanted} if wanted else {})))


@app.command()
def show(hook: HookId, url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """Show a webhook: settings, counts of events (waiting, delivered, dropped, given up), latest failures."""
    _print(Api(url, token, ca).call("GET", f"{hook}/"))


@app.command()
def change(
    hook: HookId,
    target: Annotated[str | None, typer.Option(help="http:// or https:// address.")] = None,
    format: Format = None,
    header: Header = None,
    secret: Secret = None,
    with_plate: WithPlate = None,
    camera: Camera = None,
    plate: Plate = None,
    watch_list: WatchList = None,
    distance: Distance = None,
    concurrency: Concurrency = None,
    ordered: Ordered = None,
    max_queued: MaxQueued = None,
    mail: Mail = None,
    url: Url = None,
    token: Token = "",
    ca: Ca = None,
) -> None:
    """Change the given settings of a webhook and keep the others."""
    fields = _fields(target, format, header, secret, concurrency, ordered, max_queued, mail)
    wanted = _filter(with_plate, camera, plate, watch_list, distance)
    if not fields and not wanted:
        raise BadRequest("There is nothing to change: give an option.")
    api = Api(url, token, ca)
    if wanted:
        fields["filter"] = api.call("GET", f"{hook}/")["filter"] | wanted
    _print(api.call("PATCH", f"{hook}/", fields))


@app.command(name="test")
def try_out(hook: HookId, url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """Send a test event now and show the outcome; the exit code is 1 if it was not accepted."""
    answer = Api(url, token, ca).call("POST", f"{hook}/test/")
    _print(answer)
    if not answer["delivered"]:
        raise typer.Exit(1)


@app.command()
def enable(hook: HookId, url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """Enable a webhook; events that wait for it are tried at once."""
    _print(Api(url, token, ca).call("POST", f"{hook}/enable/"))


@app.command()
def disable(hook: HookId, url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """Disable a webhook; it gets no events until it is enabled again."""
    _print(Api(url, token, ca).call("PATCH", f"{hook}/", {"enabled": False}))


@app.command()
def delete(hook: HookId, url: Url = None, token: Token = "", ca: Ca = None) -> None:
    """Delete a webhook and the events that wait for it."""
    Api(url, token, ca).call("DELETE", f"{hook}/")


@app.command()
def dead(
    hook: HookId,
    start: Annotated[int, typer.Option(min=1, help="Number to start from.")] = 1,
    url: Url = None,
    token: Token = "",
    ca: Ca = None,
) -> None:
    """List events that could not be delivered, oldest first, up to 100."""
    table = Table("Number", "When", "File", "Camera", "Why")
    page = Api(url, token, ca).call("GET", f"{hook}/dead/?start={start}")
    for letter in page["results"]:
        data = letter["data"]
        row = (letter["number"], letter["at"], data["filename"], data["camera_id"] or "", letter["reason"])
        table.add_row(*map(str, row))
    console().print(table)
    if page["next_start"]:
        print(f"More: platelane hooks dead {hook} --start {page['next_start']}")


@app.command()
def replay(
    hook: HookId,
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers from `platelane hooks dead`; default: all.")
    ] = None,
    url: Url = None,
    token: Token = "",
    ca: Ca = None,
) -> None:
    """Resend events that could not be delivered."""
    _print(Api(url, token, ca).call("POST", f"{hook}/replay/", {"numbers": numbers} if numbers else {}))


def _fields(
    target: str | None,
    format: Encoding | None,
    header: list[str] | None,
    secret: str | None,
    concurrency: int | None,
    ordered: bool | None,
    max_queued: int | None,
    mail: str | None,
) -> dict[str, Any]:
    headers = dict(map(_header, header)) if header else None
    given = {
        "target": target,
        "format": format,
        "headers": headers,
        "secret": secret,
        "concurrency": concurrency,
        "ordered": ordered,
        "max_queued": max_queued,
        "mail": mail,
    }
    return {name: value for name, value in given.items() if value is not None}


def _filter(
    with_plate: bool | None,
    camera: list[str] | None,
    plate: list[str] | None,
    watch_list: Path | None,
    distance: int | None,
) -> dict[str, Any]:
    given = {
        "with_plate": with_plate,
        "cameras": camera,
        "plates": plate,
        "watch_list": _plates(watch_list) if watch_list else None,
        "distance": distance,
    }
    return {name: value for name, value in given.items() if value is not None}


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadRequest(f"{text!r} is not NAME:VALUE.")
    return name.strip(), value.strip()


def _plates(file: Path) -> list[str]:
    """One plate per line; # starts a comment. Raises BadRequest if the file is not UTF-8."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{file} is not UTF-8 text: save it in that encoding.") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


class Api:
    """The webhook endpoints of a server."""

    def __init__(self, url: str | None, token: str, ca: Path | None) -> None:
        """Raises: as `server_address`, `authorization` and `trusted`."""
        self._server = server_address(url, read_settings())
        self._client = httpx.Client(
            timeout=_TIMEOUT,
            headers=authorization(token),
            verify=trusted(ca),
            trust_env=not is_local(self._server),
        )

    def call(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        """The server's answer.

        Raises:
            BadRequest: the server refuses the request, with its reason.
            EngineUnavailable: no server answers.
        """
        try:
            response = self._client.request(method, self._server + _PATH + path, json=fields)
            answer = response.json() if response.content else None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(self._server, error) from error
        except ValueError as error:
            raise EngineUnavailable(f"{self._server} is not a Platelane server: its answer is not JSON.") from error
        if not response.is_success:
            detail = answer.get("detail") if isinstance(answer, dict) else None
            raise BadRequest(str(detail or f"{self._server} answered {response.status_code}."))
        return answer


def _print(answer: Any) -> None:
    """Prints JSON, so that other programs can read it too."""
    json.dump(answer, sys.stdout, indent=2, ensure_ascii=False)
    print()
