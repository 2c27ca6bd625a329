"""`POST /v1/blur/`: the picture with its plates made unreadable, and where they are; fields as for recognition."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import blurring
from gateway.accounts import Account, Accounts
from gateway.http.disconnect import address, while_connected
from gateway.http.idempotency_key import KeyReader
from gateway.http.responses import JsonResponse
from gateway.idempotency import KeyedRequests, RequestKey
from gateway.intake import Intake, Photograph
from gateway.jobs import JobClient
from platelane.pb.v1 import domain_pb2
from platelane.rest_json import recognition_body
from platelane.runtime.settings import Settings
from platelane.vision.decoders import Decode

_DECODED_AT_ONCE: Final = 2
"""Pictures that this process decodes at once: one of 50 million pixels takes 300 MB."""

T = TypeVar("T")


class BlurRoutes:
    """Blurring; a picture counts as a call, like any other."""

    def __init__(
        self,
        jobs: JobClient,
        keyed: KeyedRequests,
        accounts: Accounts,
        intake: Intake,
        settings: Settings,
        decode: Decode,
    ) -> None:
        self._jobs = jobs
        self._keyed = keyed
        self._keys = KeyReader(keyed, accounts)
        self._accounts = accounts
        self._intake = intake
        self._cloud = settings.profile == "cloud"
        self._decode = decode
        self._patience = settings.deadline
        self._decoding = asyncio.Semaphore(_DECODED_AT_ONCE)

    def routes(self) -> list[Route]:
        """The path."""
        return [Route("/v1/blur", self.blur, methods=["POST"])]

    async def blur(self, request: Request) -> Response:
        """Find the plates of a photograph, and blur them unless the field `plates` is 0."""
        account = self._accounts.of(request.headers.get("authorization"))
        key = await self._keys.admit(request, account)
        client = account.client(address(request))
        self._jobs.admission.check(client)
        fields = await self._intake.fields(request, client, domain_pb2.MODE_REDACTION)
        intensity = fields.blur
        photograph = await self._intake.photograph(fields)
        request_key = await key.of("blur", fields, photograph) if key else None
        del fields  # frees the upload, which may be base64
        photograph.options.vehicles = False
        with self._jobs.admission.admitted(client, photograph):
            blurred = self._blurred(photograph, account, intensity, request_key)
            return JsonResponse(await while_connected(request, blurred))

    async def _blurred(
        self, photograph: Photograph, account: Account, intensity: int, key: RequestKey | None
    ) -> dict[str, Any]:
        if key:
            answer = await self._keyed.recognize(photograph, key)
        else:
            answer = await self._jobs.recognize(photograph, account)
        body = recognition_body(answer.recognition, zulu=self._cloud)
        results = body.pop("results")
        image = None
        if intensity:
            polygons = [
                [(point.x, point.y) for point in each.plate.corners] or _corners(each.plate.box)
                for each in answer.recognition.sightings
            ]
            deadline = time.time() + self._patience
            image = await in_thread(
                self._decoding,
                lambda: blurring.blurred(self._decode(photograph.image, deadline).image, polygons, intensity),
            )
        plates = [{"polygon": each["polygon"], "result": each} for each in results]
        return {"blur": image and _file(image, photograph.filename), "plates": plates, "faces": [], **body}


async def in_thread(places: asyncio.Semaphore, work: Callable[[], T]) -> T:
    """The result of `work`, run in a thread once there is a place; not run if the caller is cancelled before that."""
    await places.acquire()
    running = asyncio.get_running_loop().run_in_executor(None, work)
    # a thread cannot be cancelled: its end frees the place, even if the caller has left by then
    running.add_done_callback(lambda _: places.release())
    return await asyncio.shield(running)


def _file(image: bytes, filename: str) -> dict[str, str]:
    name = f"{filename.rpartition('.')[0] or filename}.jpg"
    return {"base64": base64.b64encode(image).decode(), "contentType": "image/jpeg", "filename": name}


def _corners(box: domain_pb2.Box) -> list[tuple[float, float]]:
    return [(box.xmin, box.ymin), (box.xmax, box.ymin), (box.xmax, box.ymax), (box.xmin, box.ymax)]
