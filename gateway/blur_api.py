"""`POST /v1/blur/`: the picture with its plates made unreadable, and where they are; fields as for recognition."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import blurring, fields, uploads
from gateway.accounts import Accounts
from gateway.leaving import while_connected
from gateway.recognizer import Photograph, Recognizer
from gateway.remote import Fetcher
from gateway.responses import JsonResponse
from platelane.answers import recognition_body
from platelane.pb.v1 import domain_pb2
from platelane.settings import Settings

_AT_ONCE: Final = 2
"""Pictures that are decoded in this process at a time: one of 50 million pixels takes 300 MB."""

T = TypeVar("T")


def routes(recognizer: Recognizer, accounts: Accounts, fetcher: Fetcher, settings: Settings) -> list[Route]:
    """Where pictures are blurred. One counts as a call, like any picture."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def blur(request: Request) -> Response:
        account = accounts.of(request.headers.get("authorization"))
        with recognizer.admitted():
            await accounts.admit(account)
            form = await uploads.read_form(request, settings, fetcher)
            photograph = uploads.photograph(form, settings.upload_limit)
            intensity = fields.intensity(form.last("plates"))
            photograph.options.mode = domain_pb2.MODE_REDACTION
            photograph.options.vehicles = False
            return JsonResponse(await while_connected(request, work(photograph, account.id, intensity)))

    async def work(photograph: Photograph, account: str, intensity: int) -> dict[str, Any]:
        answer = await recognizer.recognize(photograph, account)
        body = recognition_body(answer.recognition, zulu=settings.profile == "cloud")
        seen = body.pop("results")
        image = None
        if intensity:
            polygons = [
                [(point.x, point.y) for point in each.plate.corners] or _corners(each.plate.box)
                for each in answer.recognition.sightings
            ]
            image = await _in_place(places, lambda: blurring.blurred(photograph.image, polygons, intensity))
        plates = [{"polygon": each["polygon"], "result": each} for each in seen]
        return {"blur": image and _file(image, photograph.filename), "plates": plates, "faces": [], **body}

    return [Route("/v1/blur", blur, methods=["POST"])]


async def _in_place(places: asyncio.Semaphore, work: Callable[[], T]) -> T:
    """What `work` returns, done in a thread; who leaves before its turn has come leaves it undone."""
    await places.acquire()
    running = asyncio.get_running_loop().run_in_executor(None, work)
    # a thread cannot be cancelled: its end frees the place, whoever has left before
    running.add_done_callback(lambda _: places.release())
    return await asyncio.shield(running)


def _file(image: bytes, filename: str) -> dict[str, str]:
    name = f"{filename.rpartition('.')[0] or filename}.jpg"
    return {"base64": base64.b64encode(image).decode(), "contentType": "image/jpeg", "filename": name}


def _corners(box: domain_pb2.Box) -> list[tuple[float, float]]:
    return [(box.xmin, box.ymin), (box.xmax, box.ymin), (box.xmax, box.ymax), (box.xmin, box.ymax)]
