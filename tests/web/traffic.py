"""Data for a running system to show: drawn photographs to upload, and results to publish on its bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import cv2
import httpx
import numpy as np

from gateway.jobs import new_job_id
from platelane import resources
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from tests.e2e.conftest import Stack

HOSTILE: Final = "<script>window.hacked=1</script>"
CAMERAS: Final = ("gate north", "gate south", "yard", "المدخل")
_CORNERS: Final = ((410.0, 454.0), (545.6, 461.0), (545.0, 492.8), (409.5, 483.6))
"""Of the plate in the sample."""
_CHARACTERS: Final = {"G": 0.182, "K": 0.275, "4": 0.413, "8": 0.503, "2": 0.59, "T": 0.722, "V": 0.805}
"""Those on it, and where the middle of each is, in widths of the plate."""
_WIDE: Final = 680
_TALL: Final = 145
_HALF: Final = 25
"""Of a character's width, where the plate is `_WIDE`."""
_HUES: Final = (0, 100, 60, 20, 140)
_PATIENCE: Final = 60.0


@cache
def photograph(text: str = "".join(_CHARACTERS), hue: int = 0) -> bytes:
    """The sample with the characters of its plate in another order, letters for letters and digits for digits.

    On a car of another colour: `hue` turns its red by so many steps of 180.
    """
    picture = cv2.imread(str(resources.SAMPLE))
    assert picture is not None
    if hue:
        colors = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
        painted = (colors[..., 1] > 110) & ((colors[..., 0] < 12) | (colors[..., 0] > 168))
        colors[..., 0][painted] = (colors[..., 0][painted].astype(int) + hue) % 180
        picture = cv2.cvtColor(colors, cv2.COLOR_HSV2BGR)
    flat = np.array(((0, 0), (_WIDE, 0), (_WIDE, _TALL), (0, _TALL)), np.float32)
    turned = cv2.getPerspectiveTransform(np.array(_CORNERS, np.float32), flat)
    plate = cv2.warpPerspective(picture, turned, (_WIDE, _TALL), flags=cv2.INTER_CUBIC)
    moved, mask = plate.copy(), np.zeros((_TALL, _WIDE), np.float32)
    for character, middle in zip(text, _CHARACTERS.values(), strict=True):
        moved[:, _slot(middle)] = plate[:, _slot(_CHARACTERS[character])]
        mask[20:-20, _slot(middle)] = 1
    size, back = (picture.shape[1], picture.shape[0]), cv2.WARP_INVERSE_MAP | cv2.INTER_AREA
    inside = cv2.warpPerspective(mask, turned, size, flags=back)[..., None]
    mixed = cv2.warpPerspective(moved, turned, size, flags=back) * inside + picture * (1 - inside)
    return cv2.imencode(".jpg", mixed.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def _slot(middle: float) -> slice:
    return slice(round(middle * _WIDE) - _HALF, round(middle * _WIDE) + _HALF)


def upload(system: Stack, camera: str, picture: bytes | None = None) -> dict[str, Any]:
    """Has a photograph, the sample if none is given, read by the whole system; the answer."""
    answer = httpx.post(
        f"{system.base_url}/v1/plate-reader/",
        files={"upload": picture or resources.SAMPLE.read_bytes()},
        data={"camera_id": camera, "mmc": "true"},
        timeout=_PATIENCE,
        trust_env=False,
    )
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def get(system: Stack, path: str, **parameters: Any) -> Any:
    """The JSON that the API answers."""
    return ask(system, path, **parameters).raise_for_status().json()


def ask(system: Stack, path: str, **parameters: Any) -> httpx.Response:
    return httpx.get(f"{system.base_url}{path}", params=parameters, timeout=_PATIENCE, trust_env=False)


def result(plate: str, camera: str, *, seconds_ago: float = 0.0, score: float = 0.97, **more: str) -> stages_pb2.Result:
    """As the aggregator stores one for a photograph with a plate; `more`: region, make, model, color."""
    seen = domain_pb2.Sighting(
        plate=domain_pb2.Plate(
            text=plate,
            text_score=score,
            detection_score=0.9,
            box=domain_pb2.Box(xmin=10, ymin=10, xmax=130, ymax=40),
            regions=[domain_pb2.Scored(value=more.get("region", "fr"), score=0.9)],
        ),
        vehicle=domain_pb2.Vehicle(
            box=domain_pb2.Box(xmin=0, ymin=0, xmax=300, ymax=200),
            types=[domain_pb2.Scored(value="Sedan", score=0.9)],
            make_models=[
                domain_pb2.MakeModel(make=more.get("make", "Renault"), model=more.get("model", "Clio"), score=0.8)
            ],
            colors=[domain_pb2.Scored(value=more.get("color", "red"), score=0.8)],
        ),
    )
    now = time.time() - seconds_ago
    recognition = domain_pb2.Recognition(
        id=new_job_id(now),
        camera_id=camera,
        timestamp_us=int(now * 1e6),
        image_width=640,
        image_height=480,
        sightings=[seen],
    )
    return stages_pb2.Result(recognition=recognition, account="everybody")


def store(system: Stack, results: Sequence[stages_pb2.Result]) -> None:
    """Put results where the aggregator puts them."""

    async def publish() -> None:
        bus = await Bus.connect(Settings(nats_url=system.nats_url), "test")
        try:
            for some in (results[start : start + 50] for start in range(0, len(results), 50)):
                await asyncio.gather(*(_stored(bus, each) for each in some))
        finally:
            await bus.close()

    apart(publish())


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs in a thread of its own: the browser's loop runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _stored(bus: Bus, each: stages_pb2.Result) -> None:
    recognition = each.recognition
    await bus.publish(subjects.result(recognition.camera_id, recognition.id), each, f"{recognition.id}.final")


def indexed(system: Stack, number: int, **wanted: Any) -> list[dict[str, Any]]:
    """The reads, once the index has that many. It starts after the gateway; until then the answer is 503."""
    end = time.monotonic() + _PATIENCE
    while True:
        answer = ask(system, "/v1/reads/", page_size=200, **wanted)
        found = [] if answer.status_code == 503 else list(answer.raise_for_status().json()["reads"])
        if len(found) >= number:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.1)


def watch(system: Stack, name: str, plates: Iterable[dict[str, Any]], distance: int = 0) -> dict[str, Any]:
    """A watch-list."""
    body = {"name": name, "plates": list(plates), "distance": distance}
    answer = httpx.post(f"{system.base_url}/v1/watchlists/", json=body, timeout=_PATIENCE, trust_env=False)
    made: dict[str, Any] = answer.raise_for_status().json()
    return made


def fill(system: Stack) -> None:
    """A busy yard: photographs of every camera, a watch-list with a hit, a webhook, zones, and a day of reads."""
    chance = np.random.default_rng(7)
    day = [
        result(
            f"{''.join(chance.choice(list('abcdefghjklmnprstvwxyz'), 2))}{number:03d}bc",
            str(chance.choice(CAMERAS)),
            seconds_ago=600 + 86_400 * float(chance.random()),
            score=0.62 if number % 17 == 5 else 0.97,
            region=str(chance.choice(["fr", "de", "gb", "es"])),
            make=str(chance.choice(["Volkswagen", "Toyota", "Renault", "Volvo"])),
            color=str(chance.choice(["white", "black", "silver", "red"])),
        )
        for number in range(80)
    ]
    store(system, sorted(day, key=lambda each: each.recognition.timestamp_us))
    plates = [
        {"plate": "GK-482-TV", "note": "Delivery, ask for Ana"},
        {"plate": "AB123CD", "note": HOSTILE, "valid_from": "2026-01-01T00:00:00Z", "valid_to": "2026-12-31T23:59:59Z"},
    ]
    watch(system, "Visitors", plates, distance=1)
    upload(system, HOSTILE)
    texts = ("TK284GV", "VG842KT", "KT428VG", "GV824TK", "TG248KV", "GK482TV", "VK284TG", "KV842GT")
    for number, text in enumerate(texts):
        upload(system, CAMERAS[number % 4], photograph(text, _HUES[number % 5]))
    found = indexed(system, 80 + len(texts))
    url, zones = f"{system.base_url}/v1/reads/{found[-1]['id']}/correction", f"{system.base_url}/v1/zones/yard"
    with httpx.Client(trust_env=False, timeout=_PATIENCE) as client:
        client.put(url, json={"accepted": True}).raise_for_status()
        square = [[0.05, 0.05], [0.3, 0.05], [0.3, 0.3], [0.05, 0.3]]
        client.put(zones, json={"zones": [{"name": "sign", "polygon": square}]}).raise_for_status()
