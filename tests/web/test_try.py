"""Try it: photographs read and blurred through the whole system, every option, errors, and hostile names."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from .conftest import SAMPLE, Opener
from .refusals import refuse
from .traffic import HOSTILE

PATH = "/v1/plate-reader/"


def choose(page: Page, *files: Path | dict[str, object]) -> None:
    page.get_by_label("Choose photographs").set_input_files(list(files))  # type: ignore[arg-type]


def sent(page: Page) -> list[str]:
    """The bodies of uploads, as text, from now on."""
    bodies: list[str] = []

    def noted(route: Route) -> None:
        bodies.append((route.request.post_data_buffer or b"").decode("latin-1"))
        route.fallback()

    page.route(re.compile("/v1/(plate-reader|blur)/"), noted)
    return bodies


def test_the_sample_is_read_and_drawn(visit: Opener) -> None:
    page = visit("#/try")
    page.get_by_role("button", name="Use the sample").click()
    card = page.locator(".finding")
    expect(card.locator("header .plate-chip")).to_have_text("GK482TV")
    expect(card).to_contain_text("France")
    expect(card.locator(".characters li")).to_have_count(7)
    stage = page.locator("picture-stage")
    expect(stage.locator(".plate")).to_have_count(1)
    expect(stage.locator(".corner")).to_have_count(4)
    expect(stage.locator(".vehicle")).to_have_count(1)
    expect(stage.locator(".label text")).to_have_text("GK482TV")
    expect(page.get_by_role("status").filter(has_text="1 plate in")).to_be_visible()

    card.hover()
    expect(stage.locator("svg > g")).to_have_class("lit")
    page.mouse.move(0, 0)
    expect(stage.locator("svg > g")).not_to_have_class("lit")
    stage.locator("svg > g").focus()
    expect(card).to_have_class(re.compile("lit"))

    page.get_by_role("button", name="Enlarge plate GK482TV").click()
    expect(page.get_by_role("dialog").locator("canvas")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.get_by_role("tab", name="Request").click()
    requests = page.get_by_role("tabpanel", name="Request")
    for text in ("curl http", "import requests", "new FormData()", "mmc=true"):
        expect(requests).to_contain_text(text)
    page.get_by_role("tab", name="Request").press("ArrowRight")
    raw = page.get_by_role("tabpanel", name="JSON").locator("code")
    assert json.loads(raw.inner_text())["results"][0]["plate"] == "gk482tv"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("tabpanel", name="JSON").get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert json.loads(page.evaluate("navigator.clipboard.readText()"))["filename"] == "gate.jpg"


def test_every_option_is_sent_as_it_is_set(visit: Opener) -> None:
    page = visit("#/try")
    page.get_by_label("Mode", exact=True).select_option("fast")
    for name, value in (("Detection threshold", "0.35"), ("Text threshold", "0.75")):
        page.get_by_label(name).fill(value)
    page.get_by_label("Text formats").fill("[a-z]{2}[0-9]{3}[a-z]{2}")
    for name in ("All vehicles", "Plates on vehicles only", "These regions only"):
        page.get_by_label(name).check()
    page.get_by_label("Plates per vehicle").fill("2")
    page.get_by_label("Vehicles to enlarge").fill("0")
    page.get_by_label("Likely regions").fill("fr, de")
    page.get_by_role("combobox", name="Camera").fill("gate 1")
    page.get_by_label("Time", exact=True).fill("2026-05-04T10:30")
    bodies = sent(page)
    choose(page, SAMPLE)
    expect(page.locator(".finding .plate-chip").first).to_have_text("GK482TV")
    fields = dict(re.findall(r'name="(\w+)"\r\n\r\n(.*?)\r\n', bodies[-1]))
    assert json.loads(fields.pop("config")) == {
        "mode": "fast",
        "threshold_d": 0.35,
        "threshold_o": 0.75,
        "text_formats": ["[a-z]{2}[0-9]{3}[a-z]{2}"],
        "detection_mode": "vehicle",
        "detection_rule": "strict",
        "region": "strict",
        "plates_per_vehicle": 2,
        "zoom_in_vehicles": 0,
    }
    assert fields == {
        "mmc": "true",
        "direction": "true",
        "regions": "de",  # the second of the two fields
        "camera_id": "gate 1",
        "timestamp": "2026-05-04T08:30:00.000Z",
        "characters": "true",
    }
    assert bodies[-1].count('name="regions"') == 2
    page.reload()  # options outlive it
    expect(page.get_by_label("Likely regions")).to_have_value("fr, de")
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Likely regions")).to_have_value("")


def test_several_pictures_show_their_progress_and_what_is_no_picture_its_error(visit: Opener, tmp_path: Path) -> None:
    (tmp_path / f"{HOSTILE.replace('/', '_')}.jpg").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "none.jpg").write_text("not a picture")
    page = visit("#/try")
    choose(page, SAMPLE, tmp_path / "none.jpg", tmp_path / f"{HOSTILE.replace('/', '_')}.jpg")
    strip = page.get_by_role("list", name="Pictures").get_by_role("button")
    expect(strip).to_have_count(3)
    expect(page.get_by_text("3 of 3 done")).to_be_visible()
    expect(strip.nth(0)).to_contain_text("GK482TV")
    expect(strip.nth(1)).to_contain_text("Not read")
    strip.nth(1).click()
    expect(page.locator(".answers").get_by_role("alert")).to_contain_text("This is not a picture.")
    strip.nth(2).click()
    expect(page.locator("picture-stage img")).to_have_attribute("alt", re.compile("<script>"))
    page.get_by_role("tab", name="Request").click()
    expect(page.get_by_role("tabpanel", name="Request")).to_contain_text("<script>")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text("Drop photographs here")).to_be_visible()
    assert page.evaluate("window.hacked") is None


def test_a_picture_is_dropped_pasted_and_photographed(visit: Opener) -> None:
    page = visit("#/try")
    transfer = """async ([target, type]) => {
        const script = document.querySelector("script[type=module]").src;
        const response = await fetch(script.replace("app.js", "sample.jpg"));
        const data = new DataTransfer();
        data.items.add(new File([await response.blob()], `${type}.jpg`, { type: "image/jpeg" }));
        const event = type === "paste"
            ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
            : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector(target).dispatchEvent(event);
    }"""
    page.evaluate(transfer, [".frame", "drop"])
    expect(page.locator("picture-stage img")).to_have_attribute("alt", "drop.jpg")
    page.evaluate(transfer, ["body", "paste"])
    expect(page.locator("picture-stage img")).to_have_attribute("alt", "paste.jpg")
    page.get_by_role("button", name="Camera", exact=True).click()
    page.get_by_role("dialog").locator("video").evaluate(
        "video => video.readyState > 1 || new Promise(done => video.addEventListener('canplay', done, { once: true }))"
    )
    page.get_by_role("button", name="Take the picture").click()
    expect(page.locator("picture-stage img")).to_have_attribute("alt", "camera.jpg")
    expect(page.get_by_text("3 of 3 done")).to_be_visible()


def test_plates_are_blurred_and_the_picture_saved(visit: Opener) -> None:
    page = visit("#/try")
    page.get_by_role("radio", name="Blur").check()
    bodies = sent(page)
    page.get_by_label("Strength").fill("6")
    choose(page, SAMPLE)
    save = page.get_by_role("link", name="Save the picture")
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "gate-blurred.jpg"
    assert download.value.path().read_bytes()[:2] == b"\xff\xd8"
    assert 'name="plates"\r\n\r\n6\r\n' in bodies[-1]
    expect(page.locator(".finding .plate-chip").first).to_have_text("GK482TV")


def test_errors_say_what_to_do(visit: Opener) -> None:
    page = visit("#/try")
    notice = page.locator(".answers").get_by_role("alert")

    refuse(page, PATH, 413, "The upload is larger than 6000000 bytes.", times=1)
    choose(page, SAMPLE)
    expect(notice).to_contain_text("larger than this server accepts")
    notice.get_by_role("button", name="Send a smaller copy").click()
    expect(page.locator(".finding .plate-chip").first).to_have_text("GK482TV")

    refuse(page, PATH, 403, "You do not have enough credits to perform this request.", times=1)
    choose(page, SAMPLE)
    expect(notice).to_contain_text("used up its calls for this month")
    notice.get_by_role("button", name="Try again").click()
    expect(notice).to_have_count(0)

    page.get_by_role("button", name="Clear", exact=True).click()
    for status in (429, 503):  # these come again by themselves
        refuse(page, PATH, status, "Busy.", times=1, Retry_After="1")
        choose(page, SAMPLE)
        expect(page.get_by_text("done").or_(page.get_by_text("1 plate in")).first).to_be_visible()
    expect(page.get_by_text("2 of 2 done")).to_be_visible()

    page.route(re.compile(PATH), lambda route: route.abort("connectionrefused"))
    page.get_by_role("button", name="Clear", exact=True).click()
    choose(page, SAMPLE)
    expect(notice).to_contain_text("cannot be reached")
    expect(page.locator(".server")).to_have_attribute("data-state", "offline")
