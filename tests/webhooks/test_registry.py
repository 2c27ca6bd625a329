"""Hooks, as several processes see and change them."""

from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus, subjects, topology
from platelane.errors import BadRequest, NotFound, Overloaded
from platelane.webhooks import registry
from platelane.webhooks.hook import Hook, HookSettings
from platelane.webhooks.registry import HookRegistry
from tests.support import eventually


async def test_changes_are_told_everywhere(other_bus: Bus, hooks: HookRegistry) -> None:
    soon = 5.0  # after ten seconds everybody looks untold
    elsewhere = await HookRegistry.open(other_bus)
    hook = await hooks.create(HookSettings(target="http://a.example/"), "")

    async def there() -> bool:
        return elsewhere.get(hook.id) == hook

    await eventually(there, soon)
    changed = await elsewhere.change(hook.id, lambda hook: hook.model_copy(update={"enabled": False}))

    async def disabled() -> bool:
        return hooks.get(hook.id) == changed

    await eventually(disabled, soon)
    await elsewhere.delete(hook.id)

    async def gone() -> bool:
        return hooks.get(hook.id) is None

    await eventually(gone, soon)
    again = await hooks.create(HookSettings(target="http://a.example/"), "")
    assert again.id > hook.id, "no id is used twice"


async def test_changes_at_the_same_time_do_not_undo_each_other(other_bus: Bus, hooks: HookRegistry) -> None:
    hook = await hooks.create(HookSettings(target="http://a.example/"), "")
    elsewhere = await HookRegistry.open(other_bus)

    def more(hook: Hook) -> Hook:
        return hook.model_copy(update={"generation": hook.generation + 1})

    await asyncio.gather(*(each.change(hook.id, more) for each in (hooks, elsewhere) * 3))

    assert (await hooks.change(hook.id, lambda hook: hook)).generation == 6


async def test_unknown_hook(hooks: HookRegistry) -> None:
    with pytest.raises(NotFound):
        await hooks.change(7, lambda hook: hook)


async def test_versions_that_know_no_watch_lists_read_hooks_without_them(bus: Bus, hooks: HookRegistry) -> None:
    hook = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "")
    record = await bus.stream(topology.KV_HOOKS).get(subjects.entry(topology.HOOKS, str(hook.id)))
    assert record is not None
    assert b"watchlists" not in record.data


async def test_requests_that_come_at_once_do_not_pass_the_limit_together(
    hooks: HookRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MOST_HOOKS", 3)
    wanted = HookSettings(target="http://a.example/")
    outcomes = await asyncio.gather(*(hooks.create(wanted, "me") for _ in range(9)), return_exceptions=True)
    assert [type(each) for each in outcomes] == 3 * [Hook] + 6 * [BadRequest]


async def test_however_many_hooks_accounts_take_there_is_room_for_the_next(
    hooks: HookRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MOST_HOOKS", 8)
    monkeypatch.setattr(registry, "MOST_OF_ALL", 40)
    wanted = HookSettings(target="http://a.example/")
    taken = []
    for account in "abcdefgh":
        outcomes = await asyncio.gather(*(hooks.create(wanted, account) for _ in range(10)), return_exceptions=True)
        taken.append(sum(isinstance(each, Hook) for each in outcomes))
        assert {type(each) for each in outcomes} <= {Hook, BadRequest, Overloaded}
    assert taken == [8, 8, 8, 6, 4, 2, 2, 1]
