"""`/v1/webhooks/`: create, list, change, test, enable and delete hooks, and replay their dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from nats.errors import Error as NatsError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.json_body import read_object
from gateway.http.query import number
from gateway.http.responses import JsonResponse
from platelane.bus import Bus
from platelane.errors import BadRequest, EngineUnavailable, ForbiddenAddress, NotFound
from platelane.pb.v1 import stages_pb2
from platelane.rest_json import recognition_body
from platelane.runtime.guarded_network import GuardedNetwork
from platelane.runtime.settings import Settings
from platelane.webhooks.health import HealthStore
from platelane.webhooks.hook import MASK, Hook, HookSettings
from platelane.webhooks.queue import Queue, plan_of
from platelane.webhooks.registry import HookRegistry
from platelane.webhooks.watchlists import Lists, missing

DEAD_LETTERS: Final = 100
PAGE: Final = 200
_PAGE_WORDS: Final = 20_000
"""The most words in the filters of one page of hooks."""
_REPLAYS: Final = 1_000
_PATH: Final = "/v1/webhooks"


class WebhookRoutes:
    """Management of hooks. An account changes its own hooks; hooks of the environment are only listed."""

    def __init__(self, bus: Bus, hooks: HookRegistry, accounts: Accounts, lists: Lists, settings: Settings) -> None:
        self._bus = bus
        self._hooks = hooks
        self._health = HealthStore(bus)
        self._accounts = accounts
        self._lists = lists
        self._settings = settings
        self._network = GuardedNetwork(settings.webhook_networks)

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
        """The targets that `/info/` shows."""
        return [hook.site for hook in self._visible(account.owner) if hook.enabled]

    async def overview(self, request: Request) -> Response:
        """A page of hooks, those of the environment first; `after` is the id of the last hook on the page before."""
        hooks, after = self._visible(self._account(request)), number(request.query_params, "after")
        ids = [hook.id for hook in hooks]
        if after is not None:
            hooks = hooks[ids.index(after) + 1 :] if after in ids else [hook for hook in hooks if hook.id > after]
        page = _page(hooks)
        body: dict[str, Any] = {"results": [_view(hook) | {"target": hook.site} for hook in page]}
        if len(page) < len(hooks):
            body["next"] = f"{_PATH}/?after={page[-1].id}"
        return JsonResponse(body)

    async def create(self, request: Request) -> Response:
        account = self._account(request)
        owned = await asyncio.to_thread(HookSettings.checked, await read_object(request))
        await self._check_target(owned.target, account)
        self._check_lists(owned, account)
        hook = await self._hooks.create(owned, account)
        try:
            await Queue(self._bus, hook.id).ensure(plan_of(hook, self._settings.webhook_queue))
        except (NatsError, EngineUnavailable) as error:
            # a hook without a queue would hold up the results of all hooks
            await self._hooks.delete(hook.id)
            raise EngineUnavailable(f"NATS could not create a queue for the webhook: {error}") from error
        return JsonResponse(_view(hook), status_code=201)

    async def show(self, request: Request) -> Response:
        hook = self._hook(request)
        health = await self._health.get(hook.id)
        counts = await self._hooks.counts(hook.id)
        state = {
            "waiting": await Queue(self._bus, hook.id).waiting(),
            **counts,
            "failing_since": health.failing_since.isoformat() if health.failing_since else None,
            "failures": health.failures,
            "last_failures": health.last_failures,
            "with_plate": health.with_plate.model_dump(),
            "without_plate": health.without_plate.model_dump(),
            "fails_without_plate": health.fails_without_plate,
        }
        return JsonResponse(_view(hook) | {"state": state})

    async def change(self, request: Request) -> Response:
        hook, fields = self._hook(request, to_change=True), await read_object(request)
        sent = await asyncio.to_thread(HookSettings.checked, _merged(hook, fields))
        if sent.target != hook.target:
            await self._check_target(sent.target, hook.account)
        self._check_lists(sent, hook.account)

        def changed(current: Hook) -> Hook:
            owned = HookSettings.checked(_merged(current, fields))
            after = current.model_copy(update=dict(owned))
            if owned.enabled and not current.enabled:
                return after.enabled_again()
            return after if owned.enabled else after.model_copy(update={"disabled_reason": ""})

        return JsonResponse(_view(await self._hooks.change(hook.id, changed)))

    async def enable(self, request: Request) -> Response:
        """Enable a hook; queued events are tried at once, even if it was enabled already."""
        hook = self._hook(request)
        return JsonResponse(_view(await self._hooks.change(hook.id, Hook.enabled_again)))

    async def delete(self, request: Request) -> Response:
        hook = self._hook(request)
        await self._hooks.delete(hook.id)
        await self._health.delete(hook.id)
        await Queue(self._bus, hook.id).delete()
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        """Post a test event now, bypassing the queue, and report the receiver's answer."""
        from platelane.webhooks.http_client import WebhookClient  # an HTTP client, which nothing else here needs
        from platelane.webhooks.test_event import test_event

        hook = self._hook(request)
        event = test_event(hook, datetime.now(UTC), int(time.time()))
        async with WebhookClient(self._settings.webhook_timeout, self._settings.webhook_networks) as client:
            response = await client.post(hook.target, event, guarded=hook.belongs_to_token)
        return JsonResponse(
            {
                "delivered": response.is_success,
                "status": response.status,
                "seconds": response.seconds,
                "detail": response.detail,
            }
        )

    async def dead(self, request: Request) -> Response:
        """Up to `DEAD_LETTERS` events that could not be delivered, oldest first, starting at number `start`."""
        hook, start = self._hook(request), number(request.query_params, "start") or 1
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
        """Queue dead letters again: those with the given `numbers`, or all, up to a thousand a call."""
        hook, fields = self._hook(request), await read_object(request, default={})
        numbers = fields.get("numbers")
        if numbers is not None and not (isinstance(numbers, list) and all(type(each) is int for each in numbers)):
            raise BadRequest("numbers must be a list of whole numbers, as they are in the list of dead letters.")
        queue = Queue(self._bus, hook.id)
        if numbers is None:
            chosen = await queue.dead_letters(1, _REPLAYS)
        else:
            wanted = tuple(dict.fromkeys(numbers))[:_REPLAYS]
            # each answer is the first letter from this number on
            found = [(number, letter) for number in wanted for letter in await queue.dead_letters(number, 1)]
            chosen = [letter for number, letter in found if letter[0].sequence == number]
        for record, letter in chosen:
            await queue.replay(record, letter)
        return JsonResponse({"replayed": len(chosen)})

    async def _check_target(self, target: str, account: str) -> None:
        """Check a target early, to tell the caller at once about a private address; each request checks again.

        Raises:
            BadRequest: the account belongs to a token, and the target's host has an address that is not public.
        """
        parts = urlsplit(target)
        if not account or not parts.hostname:
            return
        with contextlib.suppress(OSError, UnicodeError, TimeoutError):  # the name may be registered later
            async with asyncio.timeout(self._settings.fetch_timeout):
                try:
                    await self._network.addresses(
                        parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
                    )
                except ForbiddenAddress as error:
                    raise BadRequest("target: the host has an address that webhooks may not be sent to.") from error

    def _check_lists(self, settings: HookSettings, account: str) -> None:
        """Raises BadRequest if the filter names a watch-list that the account does not have."""
        unknown = missing(self._lists, account, settings.filter.watchlists)
        if unknown is not None:
            raise BadRequest(f"filter.watchlists: there is no watch-list {unknown!r}.")

    def _account(self, request: Request) -> str:
        return self._accounts.of(request.headers.get("authorization")).owner

    def _visible(self, account: str) -> list[Hook]:
        """The operator sees all hooks; an account sees its own, but never those of the operator."""
        return [hook for hook in self._hooks.all() if not account or hook.account == account]

    def _hook(self, request: Request, *, to_change: bool = False) -> Hook:
        """The hook in the path.

        Raises:
            NotFound: there is none, or it belongs to another account or to the environment.
            BadRequest: the caller wants to change it, but it comes from the environment.
        """
        named = request.path_params["hook"]  # compared as text, since a number may have any length
        account = self._account(request)
        hook = next((hook for hook in self._visible(account) if str(hook.id) == named), None)
        if hook is None:
            raise NotFound("There is no such webhook.")
        if to_change and hook.from_environment:
            raise BadRequest("This webhook comes from PLATELANE_WEBHOOK_TARGETS and is changed there.")
        return hook


def _page(hooks: Sequence[Hook]) -> list[Hook]:
    """As many hooks as fit on one page, by their number and by the words in their filters."""
    page: list[Hook] = []
    words = 0
    for hook in hooks[:PAGE]:
        words += hook.filter.words
        if page and words > _PAGE_WORDS:
            break
        page.append(hook)
    return page


def _view(hook: Hook) -> dict[str, Any]:
    """A hook with its secrets masked."""
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
    """The current settings updated by `fields`; masked values keep what they were."""
    merged = current.owned_settings() | dict(fields)
    if merged["target"] == current.public_target:
        merged["target"] = current.target
    elif merged["target"] == current.site:
        raise BadRequest(
            "target: lists show only the host of the target; leave it out, or end it with / for the host alone."
        )
    headers = merged.get("headers")
    if isinstance(headers, dict):
        merged["headers"] = {
            name: current.headers.get(name, value) if value == MASK else value for name, value in headers.items()
        }
    return merged


def _event(letter: stages_pb2.DeadLetter) -> dict[str, Any]:
    return recognition_body(stages_pb2.Delivery.FromString(letter.data).result.recognition)
