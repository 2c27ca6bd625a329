"""`/v1/zones/`: reading and changing the detection zones of cameras."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.documents import read_document
from gateway.responses import JsonResponse
from gateway.zones import CameraZones, ZoneList, ZoneStore
from platelane.errors import NotFound

_CAMERA = "/v1/zones/{camera_id:path}"


def routes(store: ZoneStore, accounts: Accounts) -> list[Route]:
    """Where the zones are managed; each account sees its own."""

    def account(request: Request) -> str:
        return accounts.of(request.headers.get("authorization")).id

    def kept(request: Request) -> CameraZones:
        found = store.of_camera(account(request), request.path_params["camera_id"])
        if found is None:
            raise NotFound("This camera has no detection zones.")
        return found

    async def all_cameras(request: Request) -> Response:
        return JsonResponse({"results": [each.model_dump(mode="json") for each in store.of_account(account(request))]})

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
