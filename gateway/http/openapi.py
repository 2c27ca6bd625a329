"""The OpenAPI 3.1 document, built from the same models that validate zones and webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.corrections import Correction
from gateway.http import schemas
from gateway.http.query import MAX_PLATE
from gateway.http.reads import COUNTED, MATCHES, MAX_CURSOR, MAX_WORD
from gateway.http.tokens import NewToken, TokenLimits
from gateway.idempotency import LONGEST_KEY
from gateway.zones import CameraZones, ZoneList
from platelane.bus import subjects
from platelane.vision import formats
from platelane.webhooks.hook import HookSettings
from platelane.webhooks.watchlists import Watchlist, Watchlists, WatchlistSettings

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_ERRORS: Final = {
    "400": "There is no picture, or the request is not valid; `detail` says why.",
    "403": "The token is missing or wrong, or its calls of this month are used up.",
    "404": "Not found.",
    "422": "Another request was sent with this `Idempotency-Key`.",
    "413": "The upload, or the body, is larger than the server accepts.",
    "429": "Too many requests with this token; retry after `Retry-After` seconds.",
    "503": "The server is overloaded or not ready; retry after `Retry-After` seconds.",
}
_SENT: Final = (
    schemas.RecognitionRequest,
    schemas.BlurRequest,
    ZoneList,
    HookSettings,
    WatchlistSettings,
    NewToken,
    TokenLimits,
    Correction,
)
_RETURNED: Final = (
    schemas.Recognition,
    schemas.Blurred,
    schemas.Statistics,
    schemas.Info,
    CameraZones,
    schemas.ResultPage,
    schemas.StoredResult,
    schemas.Pending,
    schemas.WebhookView,
    Watchlist,
    Watchlists,
    schemas.ReadPage,
    schemas.ReadGroups,
    schemas.Analytics,
    schemas.CameraEntry,
    schemas.TokenView,
    schemas.CreatedToken,
    schemas.MonthUsage,
    schemas.Accuracy,
    schemas.PipelineHealth,
    schemas.RegionTable,
    schemas.Error,
)
_TOKEN: Final[list[Json]] = [{}, {"token": []}]
_INTRODUCTION: Final = """\
Reads number plates and vehicles in photographs, with the paths, fields and responses of the Plate Recognizer Snapshot
API. The slash at the end of a path is optional. On-premise (profile `sdk`) no token is needed. The profile `cloud`
requires a token, and answers uploads with 201."""


def document(version: str) -> Json:
    """Returns the document as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Platelane", "version": version, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "paths": {
            **_recognition(),
            **_blur(),
            **_usage(),
            **_regions(),
            **_zones(),
            **_results(),
            **_pictures(),
            **_reads(),
            **_tokens(),
            **_watchlists(),
            **_corrections(),
            **_health(),
            **_webhooks(),
        },
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
        f"The picture is one of {formats.NAMES}, whatever its name or type says. On-premise, a request without a body "
        "is answered with 200 and an `error`, for clients that check whether the server is running.",
        responses={
            "200": ("What was read.", answer),
            "201": ("What was read, in the profile `cloud`.", answer),
            "202": ("The picture will be read; only with `Prefer: respond-async`.", _ref(schemas.Pending)),
        },
        errors=("400", "403", "413", "422", "429", "503"),
    )
    operation["parameters"] = [
        _idempotency_key(),
        _header("Prefer", {"type": "string"}, "`respond-async`: do not wait; the result is at `/v1/results/{id}/`."),
    ]
    operation["requestBody"] = _picture_body(schemas.RecognitionRequest)
    return {"/v1/plate-reader/": {"post": {"operationId": "readPhotograph", **operation}}}


def _blur() -> Json:
    operation = _operation(
        "Blur the plates in a photograph",
        "Finds plates as in the mode `redaction`, which misses fewer, and also blurs some other things.",
        responses={"200": ("The picture, and the plates that were found.", _ref(schemas.Blurred))},
        errors=("400", "403", "413", "422", "429", "503"),
    )
    operation["parameters"] = [_idempotency_key()]
    operation["requestBody"] = _picture_body(schemas.BlurRequest)
    return {"/v1/blur/": {"post": {"operationId": "blurPhotograph", **operation}}}


def _idempotency_key() -> Json:
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"}
    return _header("Idempotency-Key", schema, "A request repeated with the same key gets the first answer.")


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": schema}


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
        "Calls this month",
        responses={"200": ("The calls made and allowed this month.", _ref(schemas.Statistics))},
        errors=("403", "503"),
    )
    info = _operation(
        "Version and usage",
        responses={"200": ("About this server.", _ref(schemas.Info))},
        errors=("403", "503"),
    )
    usage = _operation(
        "Calls by day and by token",
        "The caller's own calls; the operator may ask for any token.",
        responses={"200": ("The calls of the month.", _ref(schemas.MonthUsage))},
        errors=("400", "403", "404", "503"),
    )
    usage["parameters"] = [
        _query("month", {"type": "string"}, "This month or last month, such as `2026-11`."),
        _query("token", {"type": "string"}, "Name of a token."),
    ]
    return {
        "/v1/usage/": {"get": {"operationId": "usage", **usage}},
        "/v1/statistics/": {"get": {"operationId": "statistics", **statistics}},
        "/info/": {"get": {"operationId": "info", **info}},
    }


def _regions() -> Json:
    table = ("The table.", _ref(schemas.RegionTable))
    regions = _operation("Region codes and plate formats", responses={"200": table}, errors=())
    return {"/v1/regions/": {"get": {"operationId": "regions", **regions}}}


def _zones() -> Json:
    kept = ("The zones of the camera.", _ref(CameraZones))
    following = {"type": "string", "description": "Path of the next page; missing on the last."}
    every = {
        "type": "object",
        "required": ["results"],
        "properties": {"results": _list(CameraZones), "next": following},
    }
    replace = _operation(
        "Set the detection zones of a camera",
        "Plates and vehicles whose centre is in a zone are not reported, starting with the camera's next picture.",
        responses={"200": kept},
        errors=("400", "403", "404", "413", "503"),
    )
    replace["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(ZoneList)}}}
    read = _operation("The detection zones of a camera", responses={"200": kept}, errors=("400", "403", "404"))
    remove = _operation(
        "Remove the detection zones of a camera",
        responses={"204": ("Removed.", None)},
        errors=("400", "403", "404", "503"),
    )
    cameras = _operation(
        "The detection zones of all cameras", responses={"200": ("By camera.", every)}, errors=("403",)
    )
    return {
        "/v1/zones/": {"get": {"operationId": "allZones", **cameras}},
        "/v1/zones/{camera_id}": {
            "parameters": [_camera()],
            "get": {"operationId": "zones", **read},
            "put": {"operationId": "setZones", **replace},
            "delete": {"operationId": "removeZones", **remove},
        },
    }


def _results() -> Json:
    texts = {
        "camera_id": "Only results of this camera.",
        "plate": "Only results with a plate that starts with this, or matches it as a pattern with `?` and `*`.",
        "since": "Only pictures taken at or after this time (ISO 8601).",
        "until": "Only pictures taken before this time (ISO 8601).",
    }
    query = [_query(name, {"type": "string"}, text) for name, text in texts.items()]
    query[1]["schema"]["maxLength"] = MAX_PLATE
    numbers = {
        "page_size": "Maximum number of results on the page.",
        "before": "Only results before this number; taken from `next`.",
    }
    paging = [_query(name, {"type": "integer", "minimum": 0}, text) for name, text in numbers.items()]
    page = ("Newest first.", _ref(schemas.ResultPage))
    past = _operation("Stored results", responses={"200": page}, errors=("400", "403", "503"))
    responses = {
        "200": ("What was read.", _ref(schemas.StoredResult)),
        "202": ("The picture has not been read yet.", _ref(schemas.Pending)),
    }
    one = _operation(
        "The result of one picture",
        "For a picture that could not be read, the same error and status that a waiting caller would have got.",
        responses=responses,
        errors=("400", "403", "404", "503"),
    )
    job = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    live = _operation(
        "Results as they arrive",
        "Server-sent events `image.done`; send `Last-Event-ID` to continue after a broken connection.",
        responses={"200": ("The stream.", None)},
        errors=("400", "403", "503"),
    )
    live["responses"]["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        "/v1/results/": {"get": {"operationId": "results", "parameters": query + paging, **past}},
        "/v1/results/{id}/": {"get": {"operationId": "result", "parameters": [job], **one}},
        "/v1/events/": {"get": {"operationId": "events", "parameters": query, **live}},
    }


def _watchlists() -> Json:
    sent = {"required": True, "content": {"application/json": {"schema": _ref(WatchlistSettings)}}}
    path = {"name": "watchlist", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]+$"}}
    kept = ("The watch-list.", _ref(Watchlist))
    every = _operation("All watch-lists", responses={"200": ("By name.", _ref(Watchlists))}, errors=("403",))
    add = _operation("Add a watch-list", responses={"201": kept}, errors=("400", "403", "413", "503"))
    read = _operation("A watch-list", responses={"200": kept}, errors=("403", "404"))
    replace = _operation("Replace a watch-list", responses={"200": kept}, errors=("400", "403", "404", "413", "503"))
    remove = _operation(
        "Delete a watch-list that no webhook uses",
        responses={"204": ("Deleted.", None)},
        errors=("400", "403", "404", "503"),
    )
    return {
        "/v1/watchlists/": {
            "get": {"operationId": "watchlists", **every},
            "post": {"operationId": "addWatchlist", "requestBody": sent, **add},
        },
        "/v1/watchlists/{watchlist}/": {
            "parameters": [path],
            "get": {"operationId": "watchlist", **read},
            "put": {"operationId": "replaceWatchlist", "requestBody": sent, **replace},
            "delete": {"operationId": "deleteWatchlist", **remove},
        },
    }


def _webhooks() -> Json:
    """The paths of `gateway.http.webhooks`."""
    view = _ref(schemas.WebhookView)
    anything: Json = {"type": "object"}
    errors = ("400", "403", "404", "413", "503")

    def one(name: str, summary: str, answer: tuple[str, Json | None], status: str = "200") -> Json:
        return {"operationId": name, **_operation(summary, responses={status: answer}, errors=errors)}

    def sent(operation: Json, schema: Json, *, required: bool = True) -> Json:
        return {**operation, "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}

    every = {"type": "object", "required": ["results"], "properties": {"results": _list(schemas.WebhookView)}}
    hook = {"parameters": [{"name": "hook", "in": "path", "required": True, "schema": {"type": "integer"}}]}
    numbers = {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}}
    start = {
        "parameters": [
            _query("start", {"type": "integer", "minimum": 0}, "The number of the first dead letter to list.")
        ]
    }
    return {
        "/v1/webhooks/": {
            "get": one("webhooks", "All webhooks", ("All of them.", every)),
            "post": sent(one("addWebhook", "Add a webhook", ("The new webhook.", view), "201"), _ref(HookSettings)),
        },
        "/v1/webhooks/{hook}/": {
            **hook,
            "get": one("webhook", "A webhook and its `state`", ("The webhook.", view)),
            "patch": sent(
                one("changeWebhook", "Change the given settings of a webhook", ("The changed webhook.", view)), anything
            ),
            "delete": one("deleteWebhook", "Delete a webhook and its queue", ("Deleted.", None), "204"),
        },
        "/v1/webhooks/{hook}/enable/": {
            **hook,
            "post": one("enableWebhook", "Enable a webhook; waiting events are tried at once", ("The webhook.", view)),
        },
        "/v1/webhooks/{hook}/test/": {
            **hook,
            "post": one("testWebhook", "Send a test event now", ("How the receiver answered.", anything)),
        },
        "/v1/webhooks/{hook}/dead/": {
            **hook,
            "get": start
            | one("deadLetters", "Dead letters: events that could not be delivered", ("Oldest first.", anything)),
        },
        "/v1/webhooks/{hook}/replay/": {
            **hook,
            "post": sent(one("replay", "Deliver dead letters again", ("How many.", anything)), numbers, required=False),
        },
    }


def _pictures() -> Json:
    read = _read()

    def picture(name: str, what: str, errors: Iterable[str] = ("403", "404", "503")) -> Json:
        operation = _operation(what, responses={"200": ("The picture.", None)}, errors=errors)
        operation["responses"]["200"]["content"] = {"image/webp": {"schema": {"type": "string", "format": "binary"}}}
        return {"operationId": name, **operation}

    return {
        "/v1/results/{read}/plate.webp": {
            "parameters": [read],
            "get": picture("platePicture", "A small picture of a plate, straightened"),
        },
        "/v1/results/{read}/vehicle.webp": {
            "parameters": [read],
            "get": picture("vehiclePicture", "A small picture of the vehicle of a plate"),
        },
        "/v1/cameras/{camera_id}/picture.webp": {
            "parameters": [_camera()],
            "get": picture(
                "cameraPicture", "The latest picture of a camera, reduced in size", ("400", "403", "404", "503")
            ),
        },
    }


def _reads() -> Json:
    texts = {
        "plate": "A plate, or a pattern with `?` and `*`.",
        "camera_id": "Only reads of this camera.",
        "region": "Only plates of this region.",
        "make": "Only vehicles of this make.",
        "color": "Only vehicles of this colour.",
        "type": "Only vehicles of this type.",
        "after": "Only photographs taken at or after this time (ISO 8601).",
        "before": "Only photographs taken before this time (ISO 8601).",
    }
    wanted = [_query(name, {"type": "string", "maxLength": MAX_WORD}, text) for name, text in texts.items()]
    wanted[0]["schema"]["maxLength"] = MAX_PLATE
    wanted += [
        _query("match", {"type": "string", "enum": list(MATCHES)}, "How to match `plate`."),
        _query("score_min", {"type": "number", "minimum": 0, "maximum": 1}, "Only reads with at least this score."),
        _query(
            "first_seen",
            {"type": "boolean"},
            "Only the first stored read of each plate (`true`), or only later ones (`false`).",
        ),
    ]
    size = _query("page_size", {"type": "integer", "minimum": 0}, "Maximum number on the page.")
    listed = _query(
        "watchlist", {"type": "string", "maxLength": MAX_WORD}, "Only plates on the watch-list with this id or name."
    )
    cursor = _query("cursor", {"type": "string", "maxLength": MAX_CURSOR}, "`next` from the previous page.")
    by = _query("by", {"type": "string", "enum": list(COUNTED)}, "What to count by.") | {"required": True}
    format = _query("format", {"type": "string", "enum": ["csv", "json"]}, "Of the file.")
    errors = ("400", "403", "503")

    def get(name: str, what: str, parameters: list[Json], answer: Json) -> Json:
        operation = _operation(what, responses={"200": ("What was found.", answer)}, errors=errors)
        return {"get": {"operationId": name, "parameters": parameters, **operation}}

    export = get("exportReads", "All of these reads as a file", [*wanted, listed, format], {})
    export["get"]["responses"]["200"]["content"] = {
        "text/csv": {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "object", "properties": {"reads": _list(schemas.Read)}}},
    }
    return {
        "/v1/reads/": get(
            "reads", "Reads of single plates, newest first", [*wanted, listed, size, cursor], _ref(schemas.ReadPage)
        ),
        "/v1/reads/groups/": get("readGroups", "Reads by plate", [*wanted, size], _ref(schemas.ReadGroups)),
        "/v1/reads/analytics/": get("readAnalytics", "Counts of reads", [*wanted, by], _ref(schemas.Analytics)),
        "/v1/reads/export/": export,
        "/v1/cameras/": get("cameras", "Cameras that have sent pictures", [], _list(schemas.CameraEntry)),
    }


def _tokens() -> Json:
    errors = ("400", "403", "404", "413", "503")
    every = {"type": "object", "required": ["results"], "properties": {"results": _list(schemas.TokenView)}}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}

    def one(operation: str, what: str, answer: tuple[str, Json | None], status: str = "200") -> Json:
        described = _operation(
            what,
            "In the profile `cloud` for tokens with `admin` only.",
            responses={status: answer},
            errors=errors,
        )
        return {"operationId": operation, **described}

    def sent(operation: Json, model: type[BaseModel]) -> Json:
        return operation | {"requestBody": {"required": True, "content": {"application/json": {"schema": _ref(model)}}}}

    return {
        "/v1/tokens/": {
            "get": one("tokens", "All tokens", ("By name.", every)),
            "post": sent(
                one(
                    "createToken", "Create a token", ("The token, shown only once.", _ref(schemas.CreatedToken)), "201"
                ),
                NewToken,
            ),
        },
        "/v1/tokens/{name}": {
            "parameters": [name],
            "patch": sent(
                one("changeToken", "Change the given limits of a token", ("The token.", _ref(schemas.TokenView))),
                TokenLimits,
            ),
            "delete": one("revokeToken", "Revoke a token", ("Revoked.", None), "204"),
        },
    }


def _corrections() -> Json:
    put = _operation(
        "Correct a read, or confirm that it is right",
        "Kept as long as results. A moment later, reads are found, counted and exported by the corrected values.",
        responses={"200": ("The stored correction.", _ref(Correction))},
        errors=("400", "403", "404", "413", "503"),
    )
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(Correction)}}}
    remove = _operation("Delete a correction", responses={"204": ("Removed.", None)}, errors=("403", "404", "503"))
    accuracy = _operation(
        "How many reviewed plates were read correctly",
        responses={"200": ("By camera.", _ref(schemas.Accuracy))},
        errors=("400", "403", "503"),
    )
    folder = _operation(
        "Reviewed plates, as a folder for `platelane learn`",
        "Small pictures and `plates.csv` (`file`, `text`, `region`) of the newest 50,000.",
        responses={"200": ("The folder.", None)},
        errors=("403", "503"),
    )
    folder["responses"]["200"]["content"] = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    by = _query("by", {"type": "string", "enum": ["camera"]}, "What to count by.")
    return {
        "/v1/reads/{read}/correction": {
            "parameters": [_read()],
            "put": {"operationId": "correctRead", **put},
            "delete": {"operationId": "removeCorrection", **remove},
        },
        "/v1/reads/accuracy/": {"get": {"operationId": "readAccuracy", "parameters": [by], **accuracy}},
        "/v1/reads/corrections.zip": {"get": {"operationId": "correctedReads", **folder}},
    }


def _read() -> Json:
    return {
        "name": "read",
        "in": "path",
        "required": True,
        "description": "The id of a photograph's result, a dot, and the index of the plate in its `results`, from 0.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}\\.[0-9]{1,4}$"},
        "example": "019a3f0c5d7e0123456789abcdef0123.0",
    }


def _health() -> Json:
    operation = _operation(
        "State of the pipeline",
        "In the profile `cloud` for tokens with `admin` only.",
        responses={"200": ("At most a few seconds old.", _ref(schemas.PipelineHealth))},
        errors=("403",),
    )
    return {"/v1/health/pipeline": {"get": {"operationId": "pipelineHealth", **operation}}}


def _camera() -> Json:
    return {
        "name": "camera_id",
        "in": "path",
        "required": True,
        "description": "The same as in the field `camera_id` of uploads.",
        "schema": {"type": "string", "minLength": 1, "maxLength": subjects.WORD_LIMIT},
        "example": "gate-7",
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
