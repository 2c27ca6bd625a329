"""Measures how soon a browser paints the console, how much it transfers, and how smoothly it draws.

python -m benchmarks.console
"""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

from benchmarks import stack
from benchmarks.results import record, spread, table

VISITS: Final = 12
VIEWS: Final = ("try", "reads", "manage", "health")
STROKES: Final = 150
"""Movements of the pointer over the picture and its results."""
FRAME: Final = 1000 / 60
"""Milliseconds."""
_ARGUMENTS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
_FIGURES: Final = """() => ({
    painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    shown: performance.now(),
    bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .filter((each) => !each.name.includes("/v1/"))
        .reduce((sum, each) => sum + each.transferSize, 0),
    requests: performance.getEntriesByType("resource").length + 1,
})"""

_WATCH_FRAMES: Final = """() => {
    window.frames_ = [];
    let last;
    const note = (now) => {
        if (last !== undefined) window.frames_.push(now - last);
        last = now;
        requestAnimationFrame(note);
    };
    requestAnimationFrame(note);
}"""


def main() -> None:
    """Measure and write the section of RESULTS.md."""
    binary = shutil.which("chromium")
    if binary is None:
        sys.exit("error: there is no chromium on the PATH")
    with stack.running() as state, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(_ARGUMENTS))
        visits: dict[str, list[dict[str, Any]]] = {
            address: [] for address in ("info/", *(f"#/{view}" for view in VIEWS))
        }
        for _ in range(VISITS):  # in turn, so that other load on the machine affects all equally
            for address, figures in visits.items():
                figures.append(_visit(browser, f"{state.url}/{address}"))
        frames = _frames(browser, f"{state.url}/#/try")
        browser.close()
    late = sum(frame > 1.5 * FRAME for frame in frames) / len(frames)
    rows = [[f"`/{address}`", *_row(figures)] for address, figures in visits.items()]
    record(
        "Console (`python -m benchmarks.console`)",
        f"Chromium beside the system on the same machine, {VISITS} visits with an empty cache each. First paint is the "
        "browser's own `first-contentful-paint`; the heading of a view comes from modules that load after it. "
        "`/info/`, a line of JSON, is there for comparison. Milliseconds, median (5th to 95th percentile).\n\n"
        + table(["address", "first paint", "heading of the view", "kB transferred", "requests"], rows)
        + f"\n\n{len(frames)} frames while the pointer moves over a picture and its results, which are highlighted: "
        f"{spread(frames)} ms each; {100 * late:.1f} % are late by half a frame or more. 60 frames a second are "
        f"{FRAME:.1f} ms each. There is no graphics card: Chromium draws on the processor that the system uses too.",
    )


def _row(visits: list[dict[str, Any]]) -> list[str]:
    shown = [each["shown"] for each in visits]
    return [
        spread([each["painted"] for each in visits]),
        spread(shown) if all(shown) else "",
        f"{statistics.median(each['bytes'] for each in visits) / 1000:.0f}",
        f"{statistics.median(each['requests'] for each in visits):.0f}",
    ]


def _visit(browser: Browser, address: str) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.goto(address)
        view = "#" in address
        page.wait_for_function(
            "view => (!view || document.querySelector('main h1')) && performance.getEntriesByType('paint').length > 1",
            arg=view,
        )
        figures: dict[str, Any] = page.evaluate(_FIGURES)
        return figures | ({} if view else {"shown": 0})
    finally:
        context.close()


def _frames(browser: Browser, address: str) -> list[float]:
    """Milliseconds from frame to frame."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.goto(address)
        page.get_by_role("button", name="Use the sample").click()
        parts = page.locator("picture-stage"), page.locator(".finding")
        parts[1].wait_for()
        places = [place for part in parts if (place := part.bounding_box())]
        page.evaluate(_WATCH_FRAMES)
        for stroke in range(STROKES):
            place = places[stroke % len(places)]
            share = (stroke + 0.5) / STROKES
            page.mouse.move(place["x"] + share * place["width"], place["y"] + share * place["height"], steps=4)
        frames: list[float] = page.evaluate("window.frames_")
        return frames
    finally:
        context.close()


if __name__ == "__main__":
    main()
