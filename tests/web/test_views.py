"""The views for reads, watch-lists, management, health and the API."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint
from tests.e2e.conftest import Stack
from tests.gateway.conftest import Gateway, running_gateway, running_nats
from tests.support import wait_until

from .conftest import Opener, opened
from .refusals import refuse
from .test_accessibility import ADDRESSES
from .traffic import HOSTILE, apart, get, indexed, result, store, upload, watch

LISTENING = """
    window.tones = 0;
    window.told = [];
    const { start } = OscillatorNode.prototype;
    OscillatorNode.prototype.start = function (...when) {
        window.tones += 1;
        return start.apply(this, when);
    };
    window.Notification = class extends Notification {
        constructor(title, options) {
            super(title, options);
            window.told.push(title);
        }
    };
    Object.defineProperty(document, "hidden", { value: true });
"""
"""Notes what a page in another tab sounds and tells."""


@dataclass
class Receiver:
    """Takes what is posted to its address."""

    address: str = ""
    status: int = 200
    """What it answers."""
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that answers 200, until it is told otherwise."""
    found = Receiver()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.address = f"http://127.0.0.1:{server.server_port}/plates"
        yield found
        server.shutdown()


@pytest.fixture
def camera() -> str:
    """Of this test alone."""
    return f"gate ب {uuid4()}"


def reads_of(camera: str, **more: str) -> str:
    """The address of its reads."""
    return f"#/reads?{urlencode({'camera_id': camera, **more})}"


class TestReads:
    def test_a_read_comes_live_and_is_there_after_a_reload_in_both_tabs(
        self, visit: Opener, system: Stack, camera: str
    ) -> None:
        first, second = visit(reads_of(camera)), visit("#/reads")
        for page in (first, second):
            expect(page.locator("h1 .badge")).to_have_text("Live")
        upload(system, camera)
        for page in (first, second):
            row = page.locator(".read").filter(has_text=camera)
            expect(row.locator(".plate-chip")).to_have_text("GK482TV")
        first.reload()
        expect(first.locator(".read")).to_have_count(1)
        first.locator(".read").click()
        details = first.get_by_role("dialog")
        expect(details).to_contain_text(camera)
        expect(details).to_contain_text("France")
        first.keyboard.press("Escape")
        first.get_by_role("button", name="Pause").click()
        expect(first.locator("h1 .badge")).to_have_text("Paused")
        first.get_by_label("Plate", exact=True).fill("zz*")
        first.get_by_label("Plate", exact=True).press("Enter")
        expect(first.locator(".read")).to_have_count(0)
        assert "plate=zz" in first.url
        for name in ("CSV", "JSON"):
            with second.expect_download() as download:
                second.get_by_role("button", name=name, exact=True).click()
            assert "gk482tv" in download.value.path().read_text()

    def test_a_thousand_arrive(self, visit: Opener, system: Stack, camera: str) -> None:
        page = visit(reads_of(camera))
        expect(page.locator("h1 .badge")).to_have_text("Live")
        store(system, [result(f"ab{number:03d}cd", camera) for number in range(1_000)])
        expect(page.get_by_text("600 reads")).to_be_visible()  # the list keeps the newest
        expect(page.locator(".read").first.locator(".plate-chip")).to_have_text("AB999CD")
        page.locator(".read").first.focus()
        page.keyboard.press("j")
        expect(page.locator(".read").nth(1)).to_be_focused()
        indexed(system, 200, camera_id=camera)
        page.reload()
        expect(page.locator(".read")).to_have_count(60)
        page.get_by_role("button", name="Older").click()
        expect(page.locator(".read")).to_have_count(120)

    def test_reads_are_checked_and_corrected_by_keyboard(self, visit: Opener, system: Stack, camera: str) -> None:
        texts = ("ab120cd", "gk482tv", "ef340gh")
        store(system, [result(text, camera, score=0.6 if text == "gk482tv" else 0.97) for text in texts])
        indexed(system, 3, camera_id=camera)
        page = visit(reads_of(camera))
        chips = page.locator(".read .plate-chip")
        expect(chips).to_have_text(["EF340GH", "GK482TV", "AB120CD"])
        page.locator(".read").first.focus()
        page.keyboard.press("a")
        expect(page.locator(".read").first).to_contain_text("Checked")
        page.keyboard.press("n")  # the doubtful one
        expect(page.locator(".read").nth(1)).to_be_focused()
        page.keyboard.press("c")
        page.get_by_role("dialog").get_by_label("Plate").fill("GK482TW")
        page.keyboard.press("Enter")
        expect(page.locator(".read").nth(1)).to_contain_text("was GK482TV")
        indexed(system, 1, camera_id=camera, plate="gk482tw")  # a moment later
        kept = {read["plate"]: read["correction"] for read in indexed(system, 3, camera_id=camera)}
        assert kept == {
            "ef340gh": {"accepted": True},
            "gk482tv": {"accepted": True, "plate": "gk482tw"},
            "ab120cd": None,
        }
        page.get_by_label("Plate", exact=True).fill("gk482tw")  # found by what it is
        page.get_by_label("Plate", exact=True).press("Enter")
        expect(chips).to_have_text(["GK482TW"])
        page.get_by_label("Match", exact=True).select_option("near")
        page.get_by_label("Plate", exact=True).fill("gk482tx")
        page.get_by_label("Plate", exact=True).press("Enter")
        page.wait_for_url(re.compile("gk482tx"))
        expect(chips).to_have_text(["GK482TW"])
        page.locator(".read").focus()
        page.keyboard.press("c")
        page.get_by_role("dialog").get_by_role("button", name="Remove the correction").click()
        expect(chips).to_have_text(["GK482TV"])
        page.get_by_role("radio", name="Charts").check()
        accuracy = page.locator(".charts section").filter(has_text="Correct among those checked")
        expect(accuracy).to_contain_text(camera)
        with page.expect_download() as download:
            accuracy.get_by_role("button", name="Corrections to learn from").click()
        assert download.value.path().read_bytes()[:2] == b"PK"

    def test_charts_answer_a_click_with_the_reads(self, visit: Opener, system: Stack, camera: str) -> None:
        store(system, [result(f"ab{number}cd", camera, score=0.35, color="teal") for number in range(3)])
        indexed(system, 3, camera_id=camera)
        page = visit(reads_of(camera))
        expect(page.locator(".read")).to_have_count(3)
        page.get_by_role("radio", name="By plate").check()
        expect(page.locator("reads-view table tbody tr")).to_have_count(3)
        page.get_by_role("radio", name="Charts").check()
        expect(page.locator(".charts section")).to_have_count(10)
        page.get_by_role("button", name="teal").click()
        expect(page.locator(".read")).to_have_count(3)
        assert "color=teal" in page.url
        page.get_by_role("radio", name="Charts").check()
        page.get_by_role("button", name="≥ 0.3: 3").press("Enter")
        expect(page.locator(".read")).to_have_count(3)
        assert "score_min=0.3" in page.url
        page.get_by_role("button", name="Remove the filter Text ≥ 0.3").click()
        page.wait_for_url(lambda url: "score_min" not in url)
        expect(page.locator(".read")).to_have_count(3)

    def test_a_hit_of_a_watch_list_is_unmistakable(self, visit: Opener, system: Stack, camera: str) -> None:
        name = f"Wanted {uuid4()}"
        watch(system, name, [{"plate": "ZX 987 QW"}], distance=1)
        page = visit(reads_of(camera))
        expect(page.locator("h1 .badge")).to_have_text("Live")
        store(system, [result("zx987qv", camera), result("lm555pq", camera)])
        expect(page.get_by_role("alert").filter(has_text=f"ZX987QV is on the list {name}.")).to_be_visible()
        hit = page.locator(".read.hit")
        expect(hit).to_have_count(1)
        expect(hit).to_contain_text(name)
        expect(hit).to_have_attribute("aria-label", re.compile(re.escape(name)))
        indexed(system, 1, watchlist=name)
        page.get_by_role("radio", name="Charts").check()
        page.get_by_role("button", name=name).click()
        expect(page.locator(".read .plate-chip")).to_have_text(["ZX987QV"])
        expect(page.get_by_label("Watch-lists")).to_have_value(name)
        page.get_by_role("radio", name="By plate").check()
        expect(page.locator("reads-view table tbody tr")).to_have_count(1)

    def test_a_hit_is_heard_and_told_where_one_wants_that(self, visit: Opener, system: Stack, camera: str) -> None:
        name = f"Wanted {uuid4()}"
        watch(system, name, [{"plate": f"ZY{number}QW"} for number in (1, 2, 3)])
        page = visit(reads_of(camera), lambda page: page.add_init_script(LISTENING), permissions=["notifications"])

        def hit(number: int) -> list[Any]:
            """The tones, and the notifications, since the page was loaded and a plate of the list was read."""
            store(system, [result(f"zy{number}qw", camera)])
            expect(page.locator(".read.hit").filter(has_text=f"ZY{number}QW")).to_be_visible()
            heard: list[Any] = page.evaluate("[window.tones, window.told]")
            return heard

        expect(page.locator("h1 .badge")).to_have_text("Live")
        alarm = page.get_by_role("button", name="Alarm")
        expect(alarm).to_have_attribute("aria-pressed", "false")
        assert hit(1) == [0, []]
        alarm.click()
        expect(alarm).to_have_attribute("aria-pressed", "true")
        page.reload()
        expect(alarm).to_have_attribute("aria-pressed", "true")
        expect(page.locator("h1 .badge")).to_have_text("Live")
        assert hit(2) == [3, [f"ZY2QW is on the list {name}."]]
        alarm.click()
        assert hit(3) == [3, [f"ZY2QW is on the list {name}."]]

    def test_names_never_become_markup(self, visit: Opener, system: Stack) -> None:
        store(system, [result("ab120cd", HOSTILE, make=HOSTILE, color=HOSTILE, region=HOSTILE)])
        indexed(system, 1, make=HOSTILE)
        page = visit(f"#/reads?{urlencode({'make': HOSTILE})}")
        expect(page.locator(".read").first).to_contain_text(HOSTILE)
        page.locator(".read").first.click()
        expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
        page.keyboard.press("Escape")
        page.get_by_role("radio", name="Charts").check()
        expect(page.locator(".charts [aria-busy]")).to_have_count(0)
        expect(page.locator(".charts")).to_contain_text(HOSTILE)
        assert page.evaluate("window.hacked") is None

    def test_an_index_that_is_away_is_said_in_the_language_of_the_page(self, visit: Opener) -> None:
        page = visit(
            "#/reads", lambda page: refuse(page, "/v1/reads/", 503, "The index of reads is busy."), locale="de"
        )
        expect(page.get_by_role("alert").filter(has_text="Der Index der Lesungen antwortet nicht.")).to_be_visible()
        page.unroute_all()
        expect(page.locator("h1 .badge")).to_have_text("Live")
        expect(page.get_by_role("alert")).to_have_count(0)


class TestWatchLists:
    def test_lists_are_made_changed_and_deleted(self, visit: Opener, system: Stack) -> None:
        name = f"Lost {HOSTILE} {uuid4()}"
        page = visit("#/watchlists")
        page.get_by_role("button", name="New list").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Add a plate").click()
        dialog.get_by_label("Plate", exact=True).fill("B-XY 12")
        dialog.get_by_label("Note").fill(HOSTILE)
        dialog.get_by_label("Valid to").fill("2026-12-31")
        dialog.get_by_label("Paste several").fill("ab123cd, the red one\nef456gh")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
        card = page.locator("section.card").filter(has_text=name)
        expect(card.get_by_role("cell", name=HOSTILE)).to_be_visible()

        def kept() -> list[dict[str, Any]]:
            return [each for each in get(system, "/v1/watchlists/")["results"] if each["name"] == name]

        assert kept()[0]["plates"] == [
            {"plate": "bxy12", "note": HOSTILE, "valid_from": None, "valid_to": "2026-12-31T23:59:59Z"},
            {"plate": "ab123cd", "note": "the red one", "valid_from": None, "valid_to": None},
            {"plate": "ef456gh", "note": "", "valid_from": None, "valid_to": None},
        ]
        card.get_by_role("button", name="Edit").click()
        dialog.get_by_label("Near matches").select_option("1")
        dialog.get_by_label("Note").first.fill("found")
        dialog.get_by_role("button", name="Save").click()
        expect(card).to_contain_text("One character may differ")
        assert (kept()[0]["distance"], kept()[0]["plates"][0]["note"]) == (1, "found")
        card.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(card).to_have_count(0)
        assert kept() == []
        assert page.evaluate("window.hacked") is None

    def test_what_the_server_refuses_is_said(self, visit: Opener) -> None:
        page = visit("#/watchlists")
        page.get_by_role("button", name="New list").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("Wrong")
        dialog.get_by_label("Paste several").fill("ab*")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("alert")).to_contain_text("a watch-list holds plates")


class TestManaging:
    def test_a_webhook_is_made_tested_and_deleted(self, visit: Opener) -> None:
        with receiver() as posted:
            page = visit("#/manage?part=webhooks")
            page.get_by_role("button", name="New webhook").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Address").fill(posted.address)
            dialog.get_by_label("Format").select_option("form")
            dialog.get_by_label("Only results with a plate").check()
            dialog.get_by_label("Sign with a secret").check()
            dialog.get_by_role("button", name="Save").click()
            expect(page.get_by_role("dialog").locator("code")).to_have_text(re.compile("^whsec_"))
            page.keyboard.press("Escape")
            card = page.locator("section.card").filter(has_text=posted.address.split("/")[2])
            expect(card).to_contain_text("Form")
            card.get_by_role("button", name="Send a test").click()
            expect(page.get_by_text("The receiver answered 200")).to_be_visible()
            card.locator("summary").click()
            expect(card).to_contain_text("Everything was delivered.")
            card.get_by_role("button", name="Disable").click()
            expect(card).to_contain_text("Off")
            card.get_by_role("button", name="Delete").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            expect(page.get_by_text("No webhooks yet.")).to_be_visible()

    def test_what_was_not_delivered_is_shown_and_sent_again(self, visit: Opener, system: Stack, camera: str) -> None:
        with receiver() as posted:
            posted.status = 422
            hook = {"target": posted.address, "filter": {"cameras": [camera]}}
            with httpx.Client(base_url=system.base_url, trust_env=False, timeout=30) as client:
                made = client.post("/v1/webhooks/", json=hook).raise_for_status().json()
                store(system, [result("ab120cd", camera), result("ef340gh", camera)])
                page = visit("#/manage?part=webhooks")
                card = page.locator("section.card").filter(has_text=posted.address.split("/")[2])
                wait_until(lambda: len(get(system, f"/v1/webhooks/{made['id']}/dead/")["results"]) == 2)
                card.locator("summary").click()
                letters = card.get_by_role("listitem").filter(has=page.get_by_role("button", name="Send again"))
                expect(letters).to_have_count(2)
                expect(letters.first).to_contain_text(camera)
                expect(letters.first).to_contain_text("422")

                posted.status = 200
                posted.bodies.clear()
                letters.first.get_by_role("button", name="Send again").click()
                expect(page.get_by_text("1 event is on its way.")).to_be_visible()
                expect(letters).to_have_count(1)
                card.get_by_role("button", name="Send all again").click()
                expect(card.get_by_text("Everything was delivered.")).to_be_visible()
                wait_until(lambda: len(posted.bodies) == 2)
                assert all(text in b"".join(posted.bodies) for text in (b"ab120cd", b"ef340gh"))
                client.delete(f"/v1/webhooks/{made['id']}/").raise_for_status()

    def test_zones_are_drawn_tried_and_saved(self, visit: Opener, system: Stack, camera: str) -> None:
        upload(system, camera)
        indexed(system, 1, camera_id=camera)
        page = visit("#/manage?part=cameras")
        card = page.locator("section.camera").filter(has_text=camera)
        card.scroll_into_view_if_needed()  # pictures are fetched when they come into sight
        expect(card.locator("api-picture img")).to_have_attribute("src", re.compile("^blob:"))
        card.get_by_role("button", name="Edit zones").click()
        dialog = page.get_by_role("dialog")
        drawing = dialog.locator("svg[role=group]")
        expect(dialog.get_by_role("button", name="Try on this picture")).to_be_enabled()
        area = drawing.bounding_box()
        assert area
        for x, y in ((0.2, 0.4), (0.6, 0.4), (0.6, 0.9), (0.2, 0.9), (0.2, 0.4)):
            page.mouse.click(area["x"] + x * area["width"], area["y"] + y * area["height"])
        expect(drawing.locator("polygon")).to_have_count(1)
        dialog.get_by_label("Name").fill(HOSTILE)
        dialog.get_by_role("button", name="Try on this picture").click()
        expect(dialog.get_by_role("status")).to_contain_text("1 inside")
        dialog.get_by_role("button", name=re.compile("Corner 1$")).press("ArrowLeft")
        dialog.get_by_role("button", name="Save").click()
        expect(card).to_contain_text("1 zone")
        zones = get(system, f"/v1/zones/{quote(camera)}")["zones"]
        assert [zone["name"] for zone in zones] == [HOSTILE]
        assert zones[0]["polygon"][0] == pytest.approx([0.195, 0.4], abs=0.01)
        page.reload()
        card.get_by_role("button", name="Edit zones").click()
        page.get_by_role("dialog").locator(".zone-row").get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(card).to_contain_text("0 zones")
        assert page.evaluate("window.hacked") is None

    def test_usage_is_drawn_by_day(self, visit: Opener, system: Stack) -> None:
        upload(system, "usage")
        usage = get(system, "/v1/usage/")
        page = visit("#/manage?part=usage")
        expect(page.get_by_text(f"{usage['calls']:,} of 1,000,000 calls this month")).to_be_visible()
        expect(page.locator(".columns .column")).to_have_count(len(usage["days"]))
        today = usage["days"][-1]
        assert today["calls"] > 0
        expect(page.locator(".columns .column").last).to_have_attribute(
            "aria-label", re.compile(f": {today['calls']}$")
        )
        page.get_by_label("Month").select_option(index=1)
        expect(page.get_by_text("0 of 1,000,000 calls this month")).to_be_visible()


class TestTheRest:
    def test_health_shows_all_that_runs(self, visit: Opener, system: Stack) -> None:
        upload(system, "health")
        health = get(system, "/v1/health/pipeline")
        page = visit("#/health")
        for each in health["services"]:
            expect(page.get_by_role("img", name=f"{each['name']}, 1 process")).to_have_attribute("data-level", "good")
        for part in ("queues", "latency", "models", "streams"):
            for each in health[part]:
                expect(
                    page.locator(".lines").get_by_text(each.get("name") or each["stage"], exact=True).first
                ).to_be_visible()
        expect(page.get_by_text("Disk")).to_be_visible()

    def test_the_api_is_rendered(self, visit: Opener) -> None:
        page = visit("#/api")
        expect(page.get_by_text("Read a photograph")).to_be_visible(timeout=40_000)

    def test_the_server_goes_away_and_comes_back(self, visit: Opener) -> None:
        page = visit("#/manage?part=webhooks")
        expect(page.get_by_text("No webhooks yet.")).to_be_visible()
        page.context.set_offline(True)
        page.get_by_role("tab", name="Tokens").click()
        expect(page.get_by_text("The server cannot be reached").first).to_be_visible()
        expect(page.locator(".server")).to_have_attribute("data-state", "offline")
        page.context.set_offline(False)
        page.get_by_role("tab", name="Usage").click()
        expect(page.get_by_text("calls this month")).to_be_visible()
        expect(page.locator(".server")).to_have_attribute("data-state", "online")

    def test_it_speaks(self, visit: Opener) -> None:
        page = visit("#/try", locale="pt-BR")
        for language, word in {"pt": "Experimentar", "de": "Ausprobieren", "es": "Probar", "fr": "Essayer"}.items():
            page.get_by_role("combobox").first.select_option(language)
            expect(page.get_by_role("heading", name=word)).to_be_visible()
            assert page.evaluate("document.documentElement.lang") == language

    def test_language_and_theme_are_kept(self, visit: Opener) -> None:
        page = visit("#/try")
        page.get_by_label("Language").select_option("de")
        expect(page.get_by_role("heading", name="Ausprobieren")).to_be_visible()
        page.get_by_role("button", name=re.compile("Farben")).click()
        page.reload()
        expect(page.get_by_role("heading", name="Ausprobieren")).to_be_visible()
        assert page.evaluate("document.documentElement.dataset.theme") == "light"

    def test_it_paints_at_once(self, visit: Opener) -> None:
        page = visit("#/try")
        expect(page.get_by_text("Drop photographs here")).to_be_visible()
        sizes = page.evaluate("performance.getEntriesByType('resource').map(each => each.transferSize)")
        assert sum(sizes) < 150_000

    @pytest.mark.parametrize("width", [360, 3840])
    def test_nothing_is_wider_than_the_window(self, visit: Opener, busy: Stack, width: int) -> None:
        arabic, long = f"البوابة الشرقية للمستودع {uuid4()}", "W" * 60
        for name in (arabic, long):
            watch(busy, name, [{"plate": "LM 555 PQ", "note": name + "n" * 120}], distance=1)
            store(busy, [result("lm555pq", name, make=name, model=name, color=name)])
            indexed(busy, 1, camera_id=name)
            hook = {"target": f"https://example.com/{'p' * 200}", "filter": {"cameras": [name]}, "enabled": False}
            zones = {"zones": [{"name": name, "polygon": [[0, 0], [0.2, 0], [0.2, 0.2]]}]}
            with httpx.Client(base_url=busy.base_url, trust_env=False, timeout=30) as client:
                client.post("/v1/webhooks/", json=hook).raise_for_status()
                client.put(f"/v1/zones/{quote(name)}", json=zones).raise_for_status()
        page = visit("#/try", viewport={"width": width, "height": 740 if width < 400 else 2160})

        def fits(what: str) -> None:
            expect(page.locator("main h1")).to_be_visible()
            expect(page.locator("main [aria-busy]")).to_have_count(0)
            widths = "[document.scrollingElement, document.querySelector('main')].map(each => each.scrollWidth)"
            assert max(page.evaluate(widths)) <= width, what

        for address in ADDRESSES:
            page.goto(page.url.split("#")[0] + address)
            fits(address)
        page.goto(page.url.split("#")[0] + "#/reads")
        for shape in ("By plate", "Charts", "List"):
            page.get_by_role("radio", name=shape).check()
            fits(shape)
        row = page.locator(".read").filter(has_text=arabic).first
        row.click()
        details = page.get_by_role("dialog")
        assert details.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
        expect(details.get_by_text(arabic).first).to_have_css("unicode-bidi", re.compile("isolate|plaintext"))
        page.keyboard.press("Escape")
        for each in get(busy, "/v1/webhooks/")["results"]:
            if each["target"].endswith("p" * 200):
                httpx.delete(f"{busy.base_url}/v1/webhooks/{each['id']}/", trust_env=False).raise_for_status()

    @pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pt"])
    def test_a_phone_shows_everything_whole(self, visit: Opener, busy: Stack, language: str) -> None:
        assert busy
        page = visit("#/health", viewport={"width": 360, "height": 740}, locale=language)
        drawing = page.locator(".pipeline")
        expect(drawing).to_be_visible()
        box = drawing.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 360
        for name in page.locator(".side nav span").all():
            assert name.evaluate("span => span.scrollWidth <= span.clientWidth"), name.inner_text()
        upload(busy, f"phone {language}")
        page.goto(page.url.split("#")[0] + f"#/reads?camera_id=phone%20{language}")
        expect(page.locator(".read api-picture img").first).to_have_css("object-fit", "contain")


OPERATOR = "operator-token"


async def _make_operator(url: str) -> None:
    bus = await Bus.connect(Settings(nats_url=url), "test")
    entry = subjects.entry(topology.TOKENS, fingerprint(OPERATOR))
    await bus.stream(topology.KV_TOKENS).put(entry, Token(name="operator", admin=True).model_dump_json().encode())
    await bus.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for tokens, and nothing behind it."""
    with (
        running_nats(tmp_path_factory.mktemp("nats")) as server,
        running_gateway(server, profile="cloud", tokens="right-token") as gateway,
    ):
        apart(_make_operator(server.url))
        yield gateway


def enter(page: Page, token: str) -> None:
    """Give the page the token that it asks for."""
    page.get_by_role("dialog").get_by_label("Token").fill(token)
    page.keyboard.press("Enter")


def test_tokens_are_made_limited_and_revoked(browser: Browser, cloud: Gateway) -> None:
    with opened(browser, cloud.url) as visit:
        page = visit("#/manage?part=tokens")
        enter(page, OPERATOR)
        expect(page.get_by_role("cell", name="operator")).to_be_visible()
        page.get_by_role("button", name="New token").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill(HOSTILE)
        dialog.get_by_label("Uploads per second").fill("2")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.locator("code")).to_have_text(re.compile("^[0-9a-f]{40}$"))
        made = dialog.locator("code").inner_text()
        page.keyboard.press("Escape")
        row = page.get_by_role("row").filter(has_text=HOSTILE)
        expect(row.get_by_role("cell").nth(1)).to_have_text("2")
        row.get_by_role("button", name="Edit").click()
        dialog.get_by_label("Calls per month").fill("50")
        dialog.get_by_role("button", name="Save").click()
        expect(row.get_by_role("cell").nth(2)).to_have_text("50")

        headers = {"authorization": f"Token {made}"}
        usage = httpx.get(f"{cloud.url}/v1/usage/", headers=headers, trust_env=False).json()
        assert (usage["calls"], usage["max_calls"]) == (0, 50)
        page.get_by_role("button", name="New token").click()
        dialog.get_by_label("Name").fill(HOSTILE)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("alert")).to_contain_text("A token with this name already exists.")
        page.keyboard.press("Escape")

        page.get_by_role("tab", name="Usage").click()
        page.get_by_role("button", name=HOSTILE).click()
        expect(page.get_by_text("0 of 50 calls this month")).to_be_visible()
        page.get_by_role("button", name="Back to your own usage").click()
        expect(page.get_by_text("0 of 1,000,000 calls this month")).to_be_visible()

        page.get_by_role("tab", name="Tokens").click()
        row.get_by_role("button", name="Revoke").click()
        dialog.get_by_role("button", name="Revoke").click()
        expect(row).to_have_count(0)
        assert httpx.get(f"{cloud.url}/v1/usage/", headers=headers, trust_env=False).status_code == 403
        assert page.evaluate("window.hacked") is None


def test_who_is_no_operator_is_told_so(browser: Browser, cloud: Gateway) -> None:
    with opened(browser, cloud.url) as visit:
        page = visit("#/manage?part=tokens")
        enter(page, "right-token")
        expect(page.get_by_role("alert")).to_contain_text("This needs an admin token")
        page.get_by_label("Language").select_option("fr")
        expect(page.get_by_role("alert")).to_contain_text("Seul un jeton admin")


def test_health_says_what_to_do(browser: Browser, cloud: Gateway) -> None:
    with opened(browser, cloud.url) as visit:
        page = visit("#/health")
        enter(page, OPERATOR)
        expect(page.get_by_text("Something is wrong.")).to_be_visible()
        expect(page.get_by_text("No process of detector answers: see ServiceDown in docs/runbook.md.")).to_be_visible()
        expect(page.get_by_role("img", name="detector, 0 processes")).to_have_attribute("data-level", "poor")
        expect(page.get_by_role("img", name="gateway, 1 process")).to_have_attribute("data-level", "good")


def test_a_token_is_asked_for_and_forgotten_with_the_tab(browser: Browser, cloud: Gateway) -> None:
    with opened(browser, cloud.url) as visit:
        page = visit("#/manage?part=webhooks")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("A token is needed")
        dialog.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("does not know this token")
        dialog.get_by_label("Token").fill("right-token")
        page.keyboard.press("Enter")
        expect(page.get_by_text("No webhooks yet.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("No webhooks yet.")).to_be_visible()
        kept = page.evaluate(
            "[Object.keys(localStorage).filter(key => localStorage[key].includes('right')), document.cookie]"
        )
        assert kept == [[], ""]
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.get_by_role("dialog")).to_contain_text("A token is needed")


def test_pictures_that_need_a_token_are_fetched_with_it(visit: Opener, system: Stack, camera: str) -> None:
    upload(system, camera)
    indexed(system, 1, camera_id=camera)
    page = visit(reads_of(camera))
    expect(page.locator(".read api-picture img")).to_have_attribute("src", re.compile("^blob:"))
    page.locator(".read").click()
    pictures = page.get_by_role("dialog").locator("api-picture img")
    expect(pictures).to_have_count(2)  # of the vehicle and of the plate
    assert all(width > 60 for width in pictures.evaluate_all("all => all.map(each => each.naturalWidth)"))
