"""The OpenAPI 3.1 document; zones and webhooks are validated with the models it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway import schemas
from gateway.zones import CameraZones, ZoneList
from platelane.bus import subjects
from platelane.hooks.hook import HookSettings

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_ERRORS: Final = {
    "400": "There is no picture, or something in the request cannot be understood.",
    "403": "The token is wrong, or its calls are used up.",
    "404": "There is no such thing.",
    "413": "Larger than the server accepts.",
    "429": "Too many requests from this token; again after `Retry-After` seconds.",
    "503": "Too busy, or the engine is away; again after `Retry-After` seconds.",
}
_SENT: Final = (schemas.RecognitionRequest, schemas.BlurRequest, ZoneList, HookSettings)
_RETURNED: Final = (
    schemas.Recognition,
    schemas.Blurred,
    schemas.Statistics,
    schemas.Info,
    CameraZones,
    schemas.ResultPage,
    schemas.WebhookView,
    schemas.RegionTable,
    schemas.Error,
)
_TOKEN: Final[list[Json]] = [{}, {"token": []}]
_INTRODUCTION: Final = """\
Reads number plates and vehicles in photographs, behind the paths, fields and answers of the Plate Recognizer Snapshot
API. Paths may end with a slash or not. On-premise (profile `sdk`) no token is needed; in the profile `cloud` one is,
and an upload is answered with 201."""


def document(version: str) -> Json:
    """The document as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Platelane", "version": version, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "paths": {**_recognition(), **_blur(), **_usage(), **_regions(), **_zones(), **_results(), **_webhooks()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token`, a space, and the token.",
                }
            },
        },
    }


def _schemas() -> Json:
    modes = [(model, "validation") for model in _SENT] + [(model, "serialization") for model in _RETURNED]
    _, definitions = models_json_schema(modes, ref_template=_REF)  # type: ignore[arg-type]
    found: Json = definitions["$defs"]
    return found


def _recognition() -> Json:
    answer = {"anyOf": [_ref(schemas.Recognition), _ref(schemas.Error)]}
    operation = _operation(
        "Read a photograph",
        "JPEG, PNG, BMP, WebP, PNM, GIF or TIFF, recognised by its content. A request without a body is answered with "
        "200 and an `error`, for clients that probe whether the server is there.",
        responses={"200": ("What was read.", answer), "201": ("What was read (profile `cloud`).", answer)},
        errors=("400", "403", "413", "429", "503"),
    )
    operation["requestBody"] = _picture_body(schemas.RecognitionRequest)
    return {"/v1/plate-reader/": {"post": {"operationId": "readPhotograph", **operation}}}


def _blur() -> Json:
    operation = _operation(
        "Make the plates in a photograph unreadable",
        "Looks for plates as the mode `redaction` does: it misses fewer, and covers some things that are none.",
        responses={"200": ("The picture, and where its plates are.", _ref(schemas.Blurred))},
        errors=("400", "403", "413", "429", "503"),
    )
    operation["requestBody"] = _picture_body(schemas.BlurRequest)
    return {"/v1/blur/": {"post": {"operationId": "blurPhotograph", **operation}}}


def _picture_body(model: type[BaseModel]) -> Json:
    fields = _ref(model)
    return {
        "content": {
            "multipart/form-data": {"schema": fields, "encoding": {"upload": {"contentType": "image/*, text/plain"}}},
            "application/x-www-form-urlencoded": {"schema": fields},
            "application/json": {"schema": fields, "example": {"upload": schemas.EXAMPLE_PICTURE}},
        }
    }


def _usage() -> Json:
    statistics = _operation(
        "Calls of this month",
        responses={"200": ("How many, and how many are allowed.", _ref(schemas.Statistics))},
        errors=("403", "503"),
    )
    info = _operation(
        "Version and usage",
        responses={"200": ("About this server.", _ref(schemas.Info))},
        errors=("403", "503"),
    )
    return {
        "/v1/statistics/": {"get": {"operationId": "statistics", **statistics}},
        "/info/": {"get": {"operationId": "info", **info}},
    }


def _regions() -> Json:
    table = ("The table.", _ref(schemas.RegionTable))
    regions = _operation("The codes of regions, and the forms of their plates", responses={"200": table}, errors=())
    return {"/v1/regions/": {"get": {"operationId": "regions", **regions}}}


def _zones() -> Json:
    kept = ("The zones of the camera.", _ref(CameraZones))
    every = {"type": "object", "required": ["results"], "properties": {"results": _list(CameraZones)}}
    camera = {
        "name": "camera_id",
        "in": "path",
        "required": True,
        "description": "As in the field `camera_id` of uploads.",
        "schema": {"type": "string", "minLength": 1, "maxLength": subjects.WORD_LIMIT},
        "example": "gate-7",
    }
    replace = _operation(
        "Set the detection zones of a camera",
        "Plates and vehicles whose centre lies in a zone are not reported, from the next picture of that camera on.",
        responses={"200": kept},
        errors=("400", "403", "404", "413", "503"),
    )
    replace["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(ZoneList)}}}
    read = _operation("The detection zones of a camera", responses={"200": kept}, errors=("400", "403", "404"))
    remove = _operation(
        "Remove the detection zones of a camera",
        responses={"204": ("They are gone.", None)},
        errors=("400", "403", "404", "503"),
    )
    cameras = _operation(
        "The detection zones of all cameras", responses={"200": ("By camera.", every)}, errors=("403",)
    )
    return {
        "/v1/zones/": {"get": {"operationId": "allZones", **cameras}},
        "/v1/zones/{camera_id}": {
            "parameters": [camera],
            "get": {"operationId": "zones", **read},
            "put": {"operationId": "setZones", **replace},
            "delete": {"operationId": "removeZones", **remove},
        },
    }


def _results() -> Json:
    texts = {
        "camera_id": "Only those of this camera.",
        "plate": "Only those with a plate that begins so, or fits a pattern with `?` and `*`.",
        "since": "Only pictures from this time on, in ISO 8601.",
        "until": "Only pictures before this time.",
    }
    query = [_query(name, {"type": "string"}, text) for name, text in texts.items()]
    numbers = {"page_size": "How many at most.", "before": "Those before this one, as `next` has it."}
    paging = [_query(name, {"type": "integer", "minimum": 0}, text) for name, text in numbers.items()]
    page = ("The newest first.", _ref(schemas.ResultPage))
    past = _operation("Results of the past", responses={"200": page}, errors=("400", "403", "503"))
    live = _operation(
        "Results as they come",
        "Server-sent events `recognition`; `Last-Event-ID` goes on where a broken connection left off.",
        responses={"200": ("The stream.", None)},
        errors=("400", "403", "503"),
    )
    live["responses"]["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        "/v1/results/": {"get": {"operationId": "results", "parameters": query + paging, **past}},
        "/v1/events/": {"get": {"operationId": "events", "parameters": query, **live}},
    }


def _webhooks() -> Json:
    """The paths of `gateway.hooks`."""
    view = _ref(schemas.WebhookView)
    anything: Json = {"type": "object"}
    errors = ("400", "403", "404", "503")

    def one(name: str, summary: str, answer: tuple[str, Json | None], status: str = "200") -> Json:
        return {"operationId": name, **_operation(summary, responses={status: answer}, errors=errors)}

    def sent(operation: Json, schema: Json, *, required: bool = True) -> Json:
        return {**operation, "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}

    every = {"type": "object", "required": ["results"], "properties": {"results": _list(schemas.WebhookView)}}
    hook = {"parameters": [{"name": "hook", "in": "path", "required": True, "schema": {"type": "integer"}}]}
    numbers = {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}}
    start = {"parameters": [_query("start", {"type": "integer", "minimum": 0}, "The first number wanted.")]}
    return {
        "/v1/webhooks/": {
            "get": one("webhooks", "All webhooks", ("By number.", every)),
            "post": sent(one("addWebhook", "Add a webhook", ("It is there.", view), "201"), _ref(HookSettings)),
        },
        "/v1/webhooks/{hook}/": {
            **hook,
            "get": one("webhook", "A webhook and its `state`", ("This one.", view)),
            "patch": sent(one("changeWebhook", "Change what is given of a webhook", ("As it is now.", view)), anything),
            "delete": one("deleteWebhook", "Delete a webhook and what waits for it", ("It is gone.", None), "204"),
        },
        "/v1/webhooks/{hook}/enable/": {
            **hook,
            "post": one("enableWebhook", "Enable a webhook; what waits is tried at once", ("As it is now.", view)),
        },
        "/v1/webhooks/{hook}/test/": {
            **hook,
            "post": one("testWebhook", "Send a made-up event now", ("What came of it.", anything)),
        },
        "/v1/webhooks/{hook}/dead/": {
            **hook,
            "get": start | one("deadLetters", "Events that were given up", ("The oldest first.", anything)),
        },
        "/v1/webhooks/{hook}/replay/": {
            **hook,
            "post": sent(one("replay", "Send events again", ("How many.", anything)), numbers, required=False),
        },
    }


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _operation(
    summary: str, description: str = "", *, responses: Mapping[str, tuple[str, Json | None]], errors: Iterable[str]
) -> Json:
    described: Json = {}
    for status, (text, schema) in responses.items():
        described[status] = {"description": text}
        if schema is not None:
            described[status]["content"] = {"application/json": {"schema": schema}}
    for status in errors:
        described[status] = {
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": _ref(schemas.Error)}},
        }
    operation: Json = {"summary": summary, "responses": described, "security": _TOKEN}
    if description:
        operation["description"] = description
    return operation


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


def _list(model: type[BaseModel]) -> Json:
    return {"type": "array", "items": _ref(model)}
