"""A real Chromium that opens the console of the whole running system."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.e2e.conftest import Stack, running_stack

from . import traffic

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLE: Final = ROOT / "samples" / "gate.jpg"
PATIENCE_MS: Final = 60_000
expect.set_options(timeout=PATIENCE_MS)
_ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; skips where there is none."""
    binary = shutil.which("chromium")
    if binary is None:
        pytest.skip("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def system(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`platelane up`; not started where there is no browser."""
    assert browser
    with running_stack(tmp_path_factory.mktemp("system"), settings={"DEADLINE": "18"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def busy(system: Stack) -> Stack:
    """The same, with something to show in every view."""
    traffic.fill(system)
    return system


Opener = Callable[..., Page]


@contextmanager
def opened(browser: Browser, base: str) -> Iterator[Opener]:
    """Opens pages, each with nothing kept from others; what went wrong in one fails the test.

    A refused request is written into the browser's console by itself, and is not counted.
    """
    wrong: list[str] = []
    contexts = []

    def noted(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            wrong.append(message.text)

    def open_page(address: str = "", prepare: Callable[[Page], None] | None = None, **options: Any) -> Page:
        chosen: dict[str, Any] = {
            "viewport": {"width": 1280, "height": 800},
            "locale": "en-GB",
            "timezone_id": "Europe/Berlin",
            "reduced_motion": "reduce",
            **options,
        }
        context = browser.new_context(**chosen)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", noted)
        if prepare:
            prepare(page)
        page.goto(f"{base}/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def visit(browser: Browser, system: Stack) -> Iterator[Opener]:
    """Opens an address of the system's page, such as `#/reads`."""
    with opened(browser, system.base_url) as open_page:
        yield open_page
