"""The pictures in the README and docs/console.md. SCREENSHOTS=docs/images writes them again."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import ROOT, Opener

LARGEST = 300_000


def taken(page: Page, folder: Path, name: str) -> Path:
    path = folder / f"{name}.webp"
    Image.open(BytesIO(page.screenshot())).convert("RGB").save(path, quality=88, method=6)
    return path


@pytest.mark.usefixtures("busy")
def test_pictures_of_the_page(visit: Opener, tmp_path: Path) -> None:
    wanted = os.environ.get("SCREENSHOTS")
    folder = ROOT / wanted if wanted else tmp_path
    page = visit("#/try", viewport={"width": 1280, "height": 760})
    page.get_by_role("button", name="Use the sample").click()
    expect(page.locator(".finding")).to_be_visible()
    page.get_by_label("Language").evaluate("select => select.blur()")
    pictures = [taken(page, folder, "console-try")]
    page.emulate_media(color_scheme="dark")
    page.get_by_role("link", name="Reads").click()
    expect(page.locator(".read api-picture img").nth(7)).to_be_visible()
    pictures.append(taken(page, folder, "console-reads"))
    assert all(path.stat().st_size <= LARGEST for path in pictures)
