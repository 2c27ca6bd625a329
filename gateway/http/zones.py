"""`/v1/zones/`: read and change the detection zones of cameras."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.http.json_body import read_document
from gateway.http.query import number
from gateway.http.responses import JsonResponse
from gateway.zones import CameraZones, ZoneList, ZoneStore
from platelane.errors import NotFound

PAGE: Final = 200
MAX_PAGE: Final = 1_000
_CAMERA: Final = "/v1/zones/{camera_id:path}"


def routes(store: ZoneStore, accounts: Accounts) -> list[Route]:
    """The routes; each account only sees its own zones."""

    def account(request: Request) -> str:
        return accounts.of(request.headers.get("authorization")).id

    def kept(request: Request) -> CameraZones:
        found = store.of_camera(account(request), request.path_params["camera_id"])
        if found is None:
            raise NotFound("This camera has no detection zones.")
        return found

    async def all_cameras(request: Request) -> Response:
        parameters = request.query_params
        size = min(MAX_PAGE, max(1, number(parameters, "page_size") or PAGE))
        page = store.page(account(request), parameters.get("after", ""), size)
        body: dict[str, Any] = {"results": [each.model_dump(mode="json") for each in page.cameras]}
        if page.after is not None:
            body["next"] = f"/v1/zones/?{urlencode({**parameters, 'after': page.after})}"
        return JsonResponse(body)

    async def read(request: Request) -> Response:
        return JsonResponse(kept(request).model_dump(mode="json"))

    async def replace(request: Request) -> Response:
        owner = account(request)
        sent = await read_document(request, ZoneList)
        zones = CameraZones(camera_id=request.path_params["camera_id"], zones=sent.zones)
        await store.put(owner, zones)
        return JsonResponse(zones.model_dump(mode="json"))

    async def remove(request: Request) -> Response:
        await store.delete(account(request), kept(request).camera_id)
        return Response(status_code=204)

    return [
        Route("/v1/zones", all_cameras, methods=["GET"]),
        Route(_CAMERA, read, methods=["GET"]),
        Route(_CAMERA, replace, methods=["PUT"]),
        Route(_CAMERA, remove, methods=["DELETE"]),
    ]
