"""Every view, light and dark, checked by axe; and operated by keyboard alone."""

from __future__ import annotations

from functools import cache

import pytest
from playwright.sync_api import Page, expect

from .conftest import ROOT, Opener

ADDRESSES = (
    "#/try",
    "#/reads",
    "#/watchlists",
    "#/manage?part=webhooks",
    "#/manage?part=tokens",
    "#/manage?part=usage",
    "#/manage?part=cameras",
    "#/health",
)


@cache
def axe() -> str:
    path = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core is not installed: make check-console installs it, where there is npm")
    return path.read_text()


def violations(page: Page) -> list[str]:
    """What axe finds, in words."""
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [f"{each['id']}: {node['html'][:200]} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit: Opener, scheme: str) -> None:
    source = axe()
    page = visit("", color_scheme=scheme)
    page.evaluate(source)
    for address in ADDRESSES:
        page.goto(page.url.split("#")[0] + address)
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("main [aria-busy]")).to_have_count(0)
        assert violations(page) == [], address
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Use the sample").click()
    expect(page.locator(".finding")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Reads").click()
    page.locator(".read").first.click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Charts").check()
    expect(page.locator(".charts [aria-busy]")).to_have_count(0)
    assert violations(page) == []


@pytest.mark.usefixtures("busy")
def test_the_keyboard_alone_is_enough(visit: Opener) -> None:
    page = visit("#/try")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    sample = page.get_by_role("button", name="Use the sample")
    for _ in range(8):
        if sample.evaluate("button => button === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".finding")).to_be_visible()
    page.get_by_role("link", name="Reads").press("Enter")
    page.locator(".read").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".read").first).to_be_focused()
