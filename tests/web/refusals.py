"""Errors that a healthy system does not produce: the only answers that are faked for the page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route


def refuse(page: Page, path: str, status: int, detail: str = "", times: int = 1_000, **headers: str) -> None:
    """An error in the API's shape for every request of the path, or the first `times` of them."""
    left = [times]

    def refused(route: Route) -> None:
        if left[0] <= 0:
            route.fallback()
            return
        left[0] -= 1
        body = {"detail": detail, "error": detail, "status_code": status}
        route.fulfill(
            json=body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    page.route(re.compile(re.escape(path)), refused)
