"""The REST API of the whole running system, with real photographs and real models."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import nats
import numpy as np
import pytest
from PIL import Image, ImageOps

from platelane.bus import topology
from tests.pictures import encoded

from .conftest import Stack

PLATE_TEXT = "gk482tv"
PATH = "/v1/plate-reader/"
TYPES = {"Big Truck", "Bus", "Motorcycle", "Pickup Truck", "Sedan", "SUV", "Van", "Unknown"}
COLORS = {"black", "blue", "brown", "green", "red", "silver", "white", "yellow", "unknown"}
ORIENTATIONS = {"Front", "Rear", "Unknown"}
PIXELS = 8
"""How far a box may move when the same scene is encoded anew."""


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.base_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def image(photo: Path) -> bytes:
    return photo.read_bytes()


def read(client: httpx.Client, image: bytes, **fields: str) -> dict[str, Any]:
    response = client.post(PATH, data=fields, files={"upload": ("gate.jpg", image, "image/jpeg")})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def reencoded(image: bytes, name: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        picture.convert(mode).save(buffer, name, **options)
    return buffer.getvalue()


def assert_same_scene(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same plates at the same places; scores may differ a little."""
    assert [each["plate"] for each in body["results"]] == [each["plate"] for each in expected["results"]]
    for result, other in zip(body["results"], expected["results"], strict=True):
        assert all(abs(result["box"][side] - other["box"][side]) <= PIXELS for side in other["box"])


def is_box_inside(box: dict[str, int], body: dict[str, Any]) -> bool:
    return (
        all(isinstance(value, int) for value in box.values())
        and 0 <= box["xmin"] < box["xmax"] <= body["image_width"]
        and 0 <= box["ymin"] < box["ymax"] <= body["image_height"]
    )


def test_plate_mode(client: httpx.Client, image: bytes) -> None:
    body = read(client, image, mmc="true")
    order = ["processing_time", "results", "filename", "version", "camera_id", "timestamp", "usage"]
    assert list(body)[: len(order)] == order
    assert body["filename"] == "gate.jpg"
    assert body["results"]
    for result in body["results"]:
        assert result["plate"].isalnum()
        assert result["plate"] == result["plate"].lower()
        assert result["candidates"][0]["plate"] == result["plate"]
        assert 1 <= len(result["candidates"]) <= 5
        assert is_box_inside(result["box"], body)
        for score in (result["score"], result["dscore"], result["region"]["score"], result["vehicle"]["score"]):
            assert 0 <= score <= 1
        assert result["vehicle"]["type"] in TYPES
        assert len(result["model_make"]) <= 3
        assert {each["color"] for each in result["color"]} <= COLORS
        assert {each["orientation"] for each in result["orientation"]} <= ORIENTATIONS
    vehicle = body["results"][0]["vehicle"]
    assert vehicle["type"] != "Unknown"
    assert is_box_inside(vehicle["box"], body)


def test_vehicle_mode(client: httpx.Client, image: bytes) -> None:
    plates = [result["plate"] for result in read(client, image)["results"]]
    body = read(client, image, config='{"detection_mode": "vehicle"}')
    read_plates = [result["plate"] for result in body["results"] if result["plate"]]
    assert [plate["props"]["plate"][0]["value"] for plate in read_plates] == plates
    assert all(plate["type"] == "Plate" for plate in read_plates)
    vehicles = [result["vehicle"] for result in body["results"] if result["vehicle"]]
    assert vehicles
    for vehicle in vehicles:
        assert vehicle["type"] in TYPES
        assert is_box_inside(vehicle["box"], body)
        assert set(vehicle["props"]) - {"year"} == {"make_model", "orientation", "color"}
        assert all(1 <= len(values) <= 3 for values in vehicle["props"].values())


def test_direction(client: httpx.Client, image: bytes) -> None:
    """The car shows its front and, right of it, its side; in the mirrored picture left of it."""
    mirrored = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        ImageOps.mirror(picture).save(mirrored, "JPEG", quality=95)
    seen = read(client, image, direction="true")["results"][0]
    # mirrored letters read as anything or nothing
    other = read(client, mirrored.getvalue(), direction="true", config='{"threshold_o": 0}')["results"][0]
    assert 210 <= seen["direction"] <= 255
    assert 285 <= other["direction"] <= 330
    assert seen["direction_score"] > 0.5
    [vehicle, *_] = read(client, image, direction="1", config='{"detection_mode": "vehicle"}')["results"]
    assert vehicle["direction"] == seen["direction"]
    assert "direction" not in read(client, image)["results"][0]


def test_every_encoding_gives_the_same_answer(client: httpx.Client, image: bytes) -> None:
    text = base64.b64encode(image).decode()
    answers = [
        client.post(PATH, files={"upload": ("gate.jpg", image)}),
        client.post(PATH, files={"upload": (None, text)}),
        client.post(PATH, data={"upload": text}),
        client.post(PATH, json={"upload": text}),
        client.post(PATH, json={"upload": f"data:image/jpeg;base64,{text}"}),
        client.post(PATH, content=(image[start : start + 4_000] for start in range(0, len(image), 4_000))),
    ]
    bodies = [answer.json() for answer in answers]
    assert bodies[0]["results"]
    assert [body["results"] for body in bodies] == [bodies[0]["results"]] * len(bodies)


@pytest.mark.parametrize("name", ["PNG", "BMP", "WEBP", "PPM", "TIFF"])
def test_every_format_gives_the_same_plates(client: httpx.Client, image: bytes, name: str) -> None:
    options: dict[str, Any] = {"lossless": True, "method": 0} if name == "WEBP" else {}
    assert_same_scene(read(client, reencoded(image, name, **options)), read(client, image))


def test_an_alpha_channel_changes_nothing(client: httpx.Client, image: bytes) -> None:
    assert_same_scene(read(client, reencoded(image, "PNG", "RGBA")), read(client, image))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_grey_and_palette_pictures_are_read(client: httpx.Client, image: bytes, mode: str) -> None:
    for name in ("PNG", "GIF"):
        body = read(client, reencoded(image, name, mode))
        assert (body["image_width"], body["image_height"]) == Image.open(io.BytesIO(image)).size


@pytest.mark.parametrize("name", [".png", ".tiff", ".pnm"])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_sixteen_bit_pictures_are_read(client: httpx.Client, image: bytes, name: str, grey: bool) -> None:
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
    deep = cv2.imencode(name, np.asarray(pixels).astype(np.uint16) * 257)[1].tobytes()
    assert_same_scene(read(client, deep), read(client, reencoded(image, "PNG", "L") if grey else image))


def test_of_a_gif_the_first_frame_is_read(client: httpx.Client, image: bytes) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        first = picture.convert("P")
        first.save(buffer, "GIF", save_all=True, append_images=[Image.new("P", picture.size, 5)] * 3)
    alone = io.BytesIO()
    first.save(alone, "GIF")
    body = read(client, buffer.getvalue())
    assert body["results"]
    assert_same_scene(body, read(client, alone.getvalue()))


def test_an_answer_is_small_and_its_scores_have_three_decimals(client: httpx.Client, image: bytes) -> None:
    """A client exists that keeps only the last piece of what it receives, and it receives 16 KB at a time."""
    response = client.post(PATH, data={"mmc": "true"}, files={"upload": ("gate.jpg", image)})
    assert "content-encoding" not in response.headers
    assert int(response.headers["content-length"]) == len(response.content) < 16_000
    scores = re.findall(rb'"d?score":([^,}]+)', response.content)
    assert len(scores) > 5
    assert all(re.fullmatch(rb"0\.\d{1,3}|1\.0", each) for each in scores)


def test_exif_orientation_is_applied(client: httpx.Client, image: bytes) -> None:
    """A photograph stored lying down that says so is the upright photograph."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as upright:
        exif = Image.Exif()
        exif[0x0112] = 6  # stored a quarter turn anticlockwise
        upright.convert("RGB").transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=97, exif=exif)
    expected = read(client, image)
    body = read(client, buffer.getvalue())
    assert (body["image_width"], body["image_height"]) == (expected["image_width"], expected["image_height"])
    assert_same_scene(body, expected)


def test_a_picture_that_is_cut_off_is_read_as_far_as_it_goes(client: httpx.Client, image: bytes) -> None:
    for length in (len(image) - 2, int(0.9 * len(image))):
        assert [each["plate"] for each in read(client, image[:length])["results"]] == [PLATE_TEXT]
    body = read(client, image[: len(image) // 2])
    assert (body["image_width"], body["image_height"]) == Image.open(io.BytesIO(image)).size


def test_a_picture_of_which_only_the_header_is_there_is_a_bad_request(client: httpx.Client, image: bytes) -> None:
    response = client.post(PATH, files={"upload": ("gate.jpg", image[:400])})
    assert response.status_code == 400
    assert response.json()["status_code"] == 400


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
def test_a_turned_photograph_is_read_and_its_plate_is_covered(
    client: httpx.Client, image: bytes, turn: Image.Transpose
) -> None:
    turned = _turned(image, turn)
    [plate] = read(client, turned)["results"]
    assert plate["plate"] == PLATE_TEXT
    body = client.post("/v1/blur/", files={"upload": ("gate.png", turned)}).json()
    assert PLATE_TEXT in [each["result"]["plate"] for each in body["plates"]]
    blurred = base64.b64decode(body["blur"]["base64"])
    back = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }
    upright = _turned(blurred, back.get(turn, turn))
    for picture in (blurred, upright):
        texts = [each["plate"] for each in read(client, picture, config='{"threshold_o": 0}')["results"]]
        assert PLATE_TEXT not in texts
    [original] = read(client, image)["results"]
    assert max(_sharpness(upright, original["box"]), 1.0) < _sharpness(image, original["box"]) / 4


def _turned(image: bytes, turn: Image.Transpose) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        picture.convert("RGB").transpose(turn).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["HEIF", "AVIF"])
def test_what_phones_send_is_read(client: httpx.Client, image: bytes, name: str) -> None:
    with Image.open(io.BytesIO(image)) as picture:
        data = encoded(picture.convert("RGB"), name, quality=90)
    assert [each["plate"] for each in read(client, data)["results"]] == [PLATE_TEXT]


def test_a_picture_of_nothing_is_an_answer(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (320, 240), (90, 90, 90)).save(buffer, "JPEG")
    assert read(client, buffer.getvalue())["results"] == []


@pytest.mark.parametrize("size", [(1, 1), (3, 2_000), (2_000, 3), (16, 16)])
def test_odd_sizes(client: httpx.Client, size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).save(buffer, "PNG")
    body = read(client, buffer.getvalue(), config='{"detection_mode": "vehicle"}')
    assert (body["image_width"], body["image_height"]) == size


def test_calls_are_counted_once_each(client: httpx.Client, image: bytes) -> None:
    before = client.get("/v1/statistics/").json()["usage"]["calls"]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: read(client, image)["usage"]["calls"], range(8)))
    assert sorted(counts) == list(range(before + 1, before + 9))
    assert client.get("/info/").json()["usage"]["calls"] == before + 8


def test_the_root_answers_while_the_engine_is_saturated(client: httpx.Client, image: bytes) -> None:
    with ThreadPoolExecutor(24) as pool:
        busy = [pool.submit(client.post, PATH, files={"upload": ("gate.jpg", image)}) for _ in range(48)]
        time.sleep(0.1)
        slowest = 0.0
        for _ in range(20):
            started = time.monotonic()
            assert client.get("/").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 2
    assert {each.result().status_code for each in busy} <= {200, 503}


async def test_nothing_is_left_in_a_queue(stack: Stack, client: httpx.Client, image: bytes) -> None:
    """Nor any part of these jobs; those of jobs that an earlier test let expire go by their age."""
    connection = await nats.connect(stack.nats_url)
    try:
        jetstream = connection.jetstream()

        async def left(name: str) -> int:
            return (await jetstream.stream_info(name)).state.messages

        parts = await left(topology.PARTS)
        read(client, image)
        client.post(PATH, files={"upload": ("gate.jpg", image[:2_000])})
        deadline = time.monotonic() + 10
        while True:
            found = {name: await left(name) for name in (topology.JOBS, topology.CROPS, topology.PARTS)}
            done = found[topology.JOBS] == found[topology.CROPS] == 0 and found[topology.PARTS] <= parts
            if done or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        assert done, found
    finally:
        await connection.close()


def test_blurred_plates_cannot_be_read(client: httpx.Client, image: bytes) -> None:
    [plate] = read(client, image)["results"]
    response = client.post("/v1/blur/", data={"plates": "10"}, files={"upload": ("gate.jpg", image)})
    assert response.status_code == 200
    body = response.json()
    assert plate["plate"] in [each["result"]["plate"] for each in body["plates"]]
    blurred = base64.b64decode(body["blur"]["base64"])
    assert plate["plate"] not in [
        each["plate"] for each in read(client, blurred, config='{"threshold_o": 0}')["results"]
    ]
    box = plate["box"]
    assert max(_sharpness(blurred, box), 1.0) < _sharpness(image, box) / 4


def _sharpness(image: bytes, box: dict[str, int]) -> float:
    """Mean difference between neighbouring pixels of a row."""
    with Image.open(io.BytesIO(image)) as picture:
        part = picture.convert("L").crop((box["xmin"], box["ymin"], box["xmax"], box["ymax"]))
    values = np.asarray(part, dtype=np.float32)
    return float(np.abs(np.diff(values, axis=1)).mean())
