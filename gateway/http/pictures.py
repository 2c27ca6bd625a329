"""`/v1/results/{id}/plate.webp` and `vehicle.webp`, `/v1/cameras/{camera_id}/picture.webp`."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.query import read_id
from gateway.kept_pictures import KeptPictures, Subject

_OWN_PAGES_ONLY: Final = {"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
_OF_A_READ: Final = _OWN_PAGES_ONLY | {"Cache-Control": "private, max-age=86400, immutable"}
_OF_A_CAMERA: Final = _OWN_PAGES_ONLY | {"Cache-Control": "private, no-cache"}


class PictureRoutes:
    """Small pictures; an account sees those of its own results and cameras."""

    def __init__(self, pictures: KeptPictures, accounts: Accounts) -> None:
        self._pictures = pictures
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/v1/results/{read}/plate.webp", self.plate, methods=["GET"]),
            Route("/v1/results/{read}/vehicle.webp", self.vehicle, methods=["GET"]),
            Route("/v1/cameras/{camera_id:path}/picture.webp", self.camera, methods=["GET"]),
        ]

    async def plate(self, request: Request) -> Response:
        return await self._of_read(request, Subject.PLATE)

    async def vehicle(self, request: Request) -> Response:
        return await self._of_read(request, Subject.VEHICLE)

    async def camera(self, request: Request) -> Response:
        camera_id = request.path_params["camera_id"]
        return _webp(await self._pictures.of_camera(self._account(request).id, camera_id), _OF_A_CAMERA)

    async def _of_read(self, request: Request, subject: Subject) -> Response:
        account = self._account(request)
        return _webp(await self._pictures.of_read(read_id(request), subject, account.owner), _OF_A_READ)

    def _account(self, request: Request) -> Account:
        return self._accounts.of(request.headers.get("authorization"))


def _webp(picture: bytes, headers: dict[str, str]) -> Response:
    return Response(picture, media_type="image/webp", headers=headers)
