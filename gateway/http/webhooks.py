"""`/v1/webhooks/`: hooks made, listed, changed, tested, enabled, deleted; their dead letters looked at and replayed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from nats.errors import Error as NatsError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.documents import read_body
from gateway.origins import refuse_foreign_pages
from gateway.responses import JsonResponse
from platelane.answers import recognition_body
from platelane.bus import Bus
from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.hooks.hook import MASK, Hook, HookSettings
from platelane.hooks.queue import Queue, plan_of
from platelane.hooks.store import Hooks, last_failures
from platelane.pb.v1 import stages_pb2
from platelane.settings import Settings

BODY_LIMIT: Final = 2 << 20
DEAD_LETTERS: Final = 100
_REPLAYS: Final = 1_000
_PATH: Final = "/v1/webhooks"


class HookRoutes:
    """The API over `Hooks`. With tokens, everybody changes what is theirs, and the environment's are only listed."""

    def __init__(self, bus: Bus, hooks: Hooks, accounts: Accounts, settings: Settings) -> None:
        self._bus = bus
        self._hooks = hooks
        self._accounts = accounts
        self._settings = settings

    def routes(self) -> list[Route]:
        """The paths."""
        one = f"{_PATH}/{{hook}}"
        return [
            Route(_PATH, self.overview, methods=["GET"]),
            Route(_PATH, self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/enable", self.enable, methods=["POST"]),
            Route(f"{one}/test", self.test, methods=["POST"]),
            Route(f"{one}/dead", self.dead, methods=["GET"]),
            Route(f"{one}/replay", self.replay, methods=["POST"]),
        ]

    def targets(self, account: Account) -> list[str]:
        """What `/info/` says about hooks."""
        return [hook.public_target for hook in self._visible(self._owner(account)) if hook.enabled]

    async def overview(self, request: Request) -> Response:
        return JsonResponse({"results": [_view(hook) for hook in self._visible(self._account(request))]})

    async def create(self, request: Request) -> Response:
        account = self._account(request)
        hook = await self._hooks.create(HookSettings.checked(await _fields(request)), account)
        try:
            await Queue(self._bus, hook.id).ensure(plan_of(hook, self._settings.webhook_queue))
        except (NatsError, EngineUnavailable) as error:
            # without a queue the results of all hooks would wait for this one
            await self._hooks.delete(hook.id)
            raise EngineUnavailable(f"NATS does not make a queue for the webhook: {error}") from error
        return JsonResponse(_view(hook), status_code=201)

    async def show(self, request: Request) -> Response:
        hook = self._hook(request)
        health = self._hooks.health(hook.id)
        counts = await self._hooks.counts(hook.id)
        state = {
            "waiting": await Queue(self._bus, hook.id).waiting(),
            **counts,
            "failing_since": health.failing_since.isoformat() if health.failing_since else None,
            "failures": health.failures,
            "last_failures": last_failures(health),
        }
        return JsonResponse(_view(hook) | {"state": state})

    async def change(self, request: Request) -> Response:
        hook, fields = self._hook(request, to_change=True), await _fields(request)

        def changed(current: Hook) -> Hook:
            owned = HookSettings.checked(_merged(current, fields))
            after = current.model_copy(update=dict(owned))
            if owned.enabled and not current.enabled:
                return after.enabled_again()
            return after if owned.enabled else after.model_copy(update={"disabled_reason": ""})

        return JsonResponse(_view(await self._hooks.change(hook.id, changed)))

    async def enable(self, request: Request) -> Response:
        """Also for one that is enabled: what waits is then tried at once."""
        hook = self._hook(request)
        return JsonResponse(_view(await self._hooks.change(hook.id, Hook.enabled_again)))

    async def delete(self, request: Request) -> Response:
        hook = self._hook(request)
        await self._hooks.delete(hook.id)
        await Queue(self._bus, hook.id).delete()
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        """Post a made-up event now, past the queue, and tell what came of it."""
        from platelane.hooks.post import Poster  # an HTTP client, which nothing else here needs
        from platelane.hooks.trial import trial

        hook = self._hook(request)
        async with Poster(self._settings.webhook_timeout) as poster:
            response = await poster.post(hook.target, trial(hook, datetime.now(UTC), int(time.time())))
        return JsonResponse(
            {
                "delivered": response.is_success,
                "status": response.status,
                "seconds": response.seconds,
                "detail": response.detail,
            }
        )

    async def dead(self, request: Request) -> Response:
        """Up to `DEAD_LETTERS` events that were given up, the oldest first, from number `start` on."""
        hook, start = self._hook(request), _number(request.query_params.get("start", "1"), "start")
        found = await Queue(self._bus, hook.id).dead_letters(start, DEAD_LETTERS)
        results = [
            {
                "number": record.sequence,
                "at": datetime.fromtimestamp(record.stored, UTC).isoformat(),
                "reason": letter.reason,
                "data": _event(letter),
            }
            for record, letter in found
        ]
        following = found[-1][0].sequence + 1 if len(found) == DEAD_LETTERS else None
        return JsonResponse({"results": results, "next_start": following})

    async def replay(self, request: Request) -> Response:
        """Queue dead letters again: those whose `numbers` are given, or all, up to a thousand a call."""
        hook, fields = self._hook(request), await _fields(request, default={})
        numbers = fields.get("numbers")
        if numbers is not None and not (isinstance(numbers, list) and all(type(each) is int for each in numbers)):
            raise BadRequest("numbers has to be a list of whole numbers, as the list of dead letters has them.")
        queue = Queue(self._bus, hook.id)
        if numbers is None:
            chosen = await queue.dead_letters(1, _REPLAYS)
        else:
            found = [await queue.dead_letters(number, 1) for number in numbers[:_REPLAYS]]
            chosen = [each for some in found for each in some if each[0].sequence in numbers]
        for record, letter in chosen:
            await queue.replay(record, letter)
        return JsonResponse({"replayed": len(chosen)})

    def _account(self, request: Request) -> str:
        refuse_foreign_pages(request, self._settings)
        return self._owner(self._accounts.of(request.headers.get("authorization")))

    def _owner(self, account: Account) -> str:
        """Empty on-premise, where hooks get everything."""
        return "" if self._settings.profile == "sdk" else account.id

    def _visible(self, account: str) -> list[Hook]:
        return [hook for hook in self._hooks.all() if not account or hook.from_environment or hook.account == account]

    def _hook(self, request: Request, *, to_change: bool = False) -> Hook:
        """The hook that the path names.

        Raises:
            NotFound: there is none, or it is somebody else's, as those of the environment are with tokens.
            BadRequest: it is to be changed and is one of the environment.
        """
        named = request.path_params["hook"]  # compared as text, since a number may have any length
        account = self._account(request)
        hook = next((hook for hook in self._visible(account) if str(hook.id) == named), None)
        if hook is None or (account and hook.from_environment):
            raise NotFound("There is no such webhook.")
        if to_change and hook.from_environment:
            raise BadRequest("This webhook is set by PLATELANE_WEBHOOK_TARGETS; change that, or make one here.")
        return hook


def _view(hook: Hook) -> dict[str, Any]:
    """A hook without its secrets."""
    fields = hook.model_dump(include=set(HookSettings.model_fields) - {"target", "headers", "secret"})
    return {
        "id": hook.id,
        "target": hook.public_target,
        **fields,
        "headers": dict.fromkeys(hook.headers, MASK),
        "signed": bool(hook.secret),
        "from_environment": hook.from_environment,
        "disabled_reason": hook.disabled_reason,
    }


def _merged(current: Hook, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are given replace those that are there; what comes back as it was shown stays as it is."""
    merged = current.owned_settings() | dict(fields)
    if merged["target"] == current.public_target:
        merged["target"] = current.target
    headers = merged.get("headers")
    if isinstance(headers, dict):
        merged["headers"] = {
            name: current.headers.get(name, value) if value == MASK else value for name, value in headers.items()
        }
    return merged


async def _fields(request: Request, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """The request's JSON object."""
    body = await read_body(request, BODY_LIMIT)
    if not body and default is not None:
        return default
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The request has to be a JSON object: {error}.") from error
    if not isinstance(fields, dict):
        raise BadRequest('The request has to be a JSON object, for example {"target": "https://example.com/plates"}.')
    return fields


def _number(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"{name} has to be a whole number.")
    return int(text)


def _event(letter: stages_pb2.DeadLetter) -> dict[str, Any]:
    return recognition_body(stages_pb2.Delivery.FromString(letter.data).result.recognition)
