"""`POST /v1/plate-reader/`, and its old alias `/alpr`: a photograph in, its recognition out."""

from __future__ import annotations

import re
import secrets
import string
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.disconnect import address, while_connected
from gateway.http.idempotency_key import KeyReader
from gateway.http.responses import JsonResponse, error_response
from gateway.idempotency import KeyedRequests, RequestKey
from gateway.intake import Intake, Photograph
from gateway.jobs import Answer, JobClient, new_job_id
from platelane.rest_json import Usage, recognition_body
from platelane.runtime.settings import Settings

PATHS: Final = ("/v1/plate-reader", "/alpr")
_PREFIX_ALPHABET: Final = string.ascii_uppercase + string.digits


class RecognitionRoutes:
    """Recognition, answered as the server of the profile does: on-premise or cloud."""

    def __init__(
        self, jobs: JobClient, keyed: KeyedRequests, accounts: Accounts, intake: Intake, settings: Settings
    ) -> None:
        self._jobs = jobs
        self._keyed = keyed
        self._keys = KeyReader(keyed, accounts)
        self._deadline = settings.deadline
        self._async_deadline = settings.async_deadline
        self._accounts = accounts
        self._intake = intake
        self._cloud = settings.profile == "cloud"

    def routes(self) -> list[Route]:
        """The paths."""
        return [Route(path, self.recognize, methods=["POST"]) for path in PATHS]

    async def recognize(self, request: Request) -> Response:
        """Read a photograph."""
        account = self._accounts.of(request.headers.get("authorization"))
        if is_probe(request):
            # an installer probes the server in this way, and takes any 4xx to mean that it is not running
            return error_response(200, "There is no image: send one in the field upload.")
        key = await self._keys.admit(request, account)
        client = account.client(address(request))
        self._jobs.admission.check(client)  # before the upload is read, so that a refusal costs little
        fields = await self._intake.fields(request, client)
        photograph = await self._intake.photograph(fields)
        request_key = await key.of("plate-reader", fields, photograph) if key else None
        del fields
        if self._cloud:
            photograph = replace(photograph, filename=cloud_prefix(datetime.now(UTC)) + photograph.filename)
        with self._jobs.admission.admitted(client, photograph):
            if prefers_async(request.headers.getlist("prefer")):
                return _accepted(await self._submit(photograph, account, request_key))
            if request_key:
                recognition = self._keyed.recognize(photograph, request_key)
            else:
                recognition = self._jobs.recognize(photograph, account)
            del photograph  # so that the picture is not kept in memory while the engine works on it
            return self._answer(await while_connected(request, recognition), account)

    async def _submit(self, photograph: Photograph, account: Account, key: RequestKey | None) -> str:
        """Start a job that no caller waits for; returns its id."""
        if key:
            return await self._keyed.submit(photograph, key)
        accepted = time.time()
        job_id = new_job_id(accepted)
        beginning = self._jobs.begin(photograph, account, job_id, accepted, self._async_deadline, bulk=True)
        await self._jobs.admission.finish(beginning, self._deadline)
        return job_id

    def _answer(self, answer: Answer, account: Account) -> Response:
        usage = Usage(answer.calls, account.max_calls)
        body = recognition_body(answer.recognition, usage=usage, zulu=self._cloud)
        return JsonResponse(body, status_code=201 if self._cloud else 200)


def prefers_async(preferences: list[str]) -> bool:
    """Whether the client does not want to wait, by its `Prefer` headers (RFC 7240)."""
    return any(
        re.fullmatch(r"respond-async\s*(=\s*(\"\"|true))?\s*(;.*)?", preference.strip(), re.IGNORECASE)
        for header in preferences
        for preference in header.split(",")
    )


def _accepted(job_id: str) -> Response:
    location = f"/v1/results/{job_id}"
    headers = {"Location": location, "Preference-Applied": "respond-async"}
    return JsonResponse({"id": job_id, "status": "pending", "result": location}, 202, headers)


def is_probe(request: Request) -> bool:
    """Whether the request has neither a body nor a Content-Type."""
    headers = request.headers
    bodiless = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return bodiless and "content-type" not in headers


def cloud_prefix(now: datetime) -> str:
    """What the cloud puts before file names: hour and minute, and five random characters."""
    return f"{now:%H%M}_{''.join(secrets.choice(_PREFIX_ALPHABET) for _ in range(5))}_"
