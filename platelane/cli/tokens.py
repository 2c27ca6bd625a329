"""`platelane tokens`: manages the API tokens of the cloud profile. Changes reach the gateways within moments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from nats.js.api import Header
from nats.js.errors import APIError
from rich.table import Table

from platelane.bus import Bus, subjects, topology
from platelane.bus.connection import Connection
from platelane.bus.streams import Stream
from platelane.cli.console import console
from platelane.cli.server import nats_settings, quiet
from platelane.errors import BadRequest, EngineUnavailable, Fault, NotFound
from platelane.runtime.settings import Settings
from platelane.tokens import MOST_CALLS, Token, account, fingerprint, new_token
from platelane.usage import month_of

app = typer.Typer(help="Create, list and revoke the tokens of the cloud profile.", no_args_is_help=True)

_PATIENCE: Final = 5.0
_FIRST_PATIENCE: Final = 30.0
_PAGE: Final = 500
_WRONG_LAST_SEQUENCE: Final = 10071


@app.callback()
def _only_answers() -> None:
    """Silences the log: a failure is reported once, as the command's error."""
    quiet()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name to list and revoke it by, such as the caller's.")],
    rate_limit: Annotated[
        int | None,
        typer.Option(min=0, max=MOST_CALLS, help="Uploads per second; 0 for no limit. Default: PLATELANE_RATE_LIMIT."),
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option(min=0, max=MOST_CALLS, help="Calls per month. Default: PLATELANE_MAX_CALLS.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Allow managing tokens through `/v1/tokens/`.")] = False,
) -> None:
    """Create a token and print it. It is shown only once; only its hash is stored."""
    if not 0 < len(name.strip()) <= 100:
        raise BadRequest("A token's name has 1 to 100 characters.")
    token = Token(name=name.strip(), rate_limit=rate_limit, max_calls=max_calls, admin=admin)
    print(asyncio.run(_create(nats_settings(), token)))


@app.command()
def first() -> None:
    """Create the first token of a new system and print it; do nothing if there has ever been one.

    The token has no limit on uploads per second.
    """
    settings = nats_settings()
    if settings.profile == "sdk":
        print("The on-premise profile needs no token.")
    elif secret := asyncio.run(_first(settings)):
        print(f"The first token, shown only once; send it in the header `Authorization: Token ...`\n{secret}")
    else:
        print("A first token was already created; `platelane tokens create NAME` creates another.")


@app.command(name="list")
def list_() -> None:
    """List all tokens: name, account, limits, calls this month."""
    table = Table("Name", "Account", "Created", "Uploads a second", "Calls a month", "Calls this month")
    for row in asyncio.run(_rows(nats_settings())):
        table.add_row(*row)
    console().print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Name or account of the token.")]) -> None:
    """Revoke a token; requests with it get 403 from now on."""
    print(f"Revoked {asyncio.run(_revoke(nats_settings(), name))}.")


class _Store:
    """The token bucket, for one command."""

    def __init__(self, connection: Connection) -> None:
        self._tokens = Stream(connection, topology.KV_TOKENS, _PATIENCE)
        self._usage = Stream(connection, topology.USAGE, _PATIENCE)

    async def exists(self) -> bool:
        return await self._tokens.info() is not None

    async def all(self) -> dict[str, Token]:
        """Tokens by fingerprint, sorted by name."""
        found: dict[str, Token] = {}
        position = 0
        while page := await self._tokens.read(subjects.entry(topology.TOKENS, ">"), position + 1, _PAGE):
            position = page[-1].sequence
            # a revoked token leaves an entry without data
            found |= {each.key: Token.model_validate_json(each.data) for each in page if each.data}
        return dict(sorted(found.items(), key=lambda item: item[1].name))

    async def put(self, key: str, token: Token) -> None:
        await self._tokens.put(subjects.entry(topology.TOKENS, key), token.model_dump_json().encode())

    async def delete(self, key: str) -> None:
        await self._tokens.put(subjects.entry(topology.TOKENS, key), b"", headers={"KV-Operation": "DEL"})

    async def calls(self, key: str) -> int:
        """The calls made this month."""
        return await self._usage.value(subjects.usage(account(key), month_of(datetime.now(UTC))))


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[_Store]:
    """Raises EngineUnavailable if NATS cannot be reached or the bucket has not been created yet."""
    connection = await Connection.open(settings, "tokens", _PATIENCE)
    store = _Store(connection)
    try:
        if not await store.exists():
            raise EngineUnavailable("NATS has no bucket for tokens yet; `platelane topology apply` creates it.")
        yield store
    finally:
        await connection.close()


async def _create(settings: Settings, token: Token) -> str:
    secret = new_token()
    async with _store(settings) as store:
        if any(each.name == token.name for each in (await store.all()).values()):
            raise BadRequest(f"There is already a token called {token.name}.")
        await store.put(fingerprint(secret), token)
    return secret


async def _first(settings: Settings) -> str | None:
    """The new token, or None if any token has been stored before."""
    secret, token = new_token(), Token(name="first", rate_limit=0)
    key = fingerprint(secret)
    bus = await Bus.connect(settings, "tokens", _FIRST_PATIENCE)
    try:
        entry, data = subjects.entry(topology.TOKENS, key), token.model_dump_json().encode()
        headers: dict[str, str] = {Header.MSG_ID: key, Header.EXPECTED_LAST_SEQUENCE: "0"}
        await bus.connection.ask(entry, data, time.time() + _FIRST_PATIENCE, headers)
    except APIError as error:
        if error.err_code != _WRONG_LAST_SEQUENCE:
            raise Fault(f"NATS refused to store a token: {error.description}") from error
        return None
    finally:
        await bus.close()
    return secret


async def _rows(settings: Settings) -> list[tuple[str, ...]]:
    async with _store(settings) as store:
        return [
            (
                token.name,
                account(key),
                f"{token.created:%Y-%m-%d %H:%M}",
                _limit(token.rate_limit, settings.rate_limit),
                _limit(token.max_calls, settings.max_calls),
                str(await store.calls(key)),
            )
            for key, token in (await store.all()).items()
        ]


async def _revoke(settings: Settings, name: str) -> str:
    async with _store(settings) as store:
        found = [(key, token) for key, token in (await store.all()).items() if name in (token.name, account(key))]
        for key, _ in found:  # two servers at once may have given the name twice
            await store.delete(key)
    if not found:
        raise NotFound(f"There is no token called {name}.")
    return found[0][1].name


def _limit(own: int | None, default: int) -> str:
    return str(own) if own is not None else f"{default} (default)"
