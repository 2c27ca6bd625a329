"""Server-sent events: where a stream begins, and what an event looks like."""

from __future__ import annotations

import json

import pytest

from gateway.http.events import event, position
from gateway.result_feed import StoredResult
from platelane.pb.v1 import domain_pb2, stages_pb2


@pytest.mark.parametrize(
    ("seen", "start"),
    [
        ("", 21),
        ("14", 15),
        ("20", 21),
        ("3", 10),  # no longer kept
        ("900", 21),  # from before the stream was made anew
        ("-1", 21),
        ("²", 21),
        ("9" * 5_000, 21),
    ],
)
def test_a_stream_goes_on_after_what_was_seen(seen: str, start: int) -> None:
    assert position(seen, first=10, following=21) == start


def test_an_event_is_a_result_with_its_number() -> None:
    recognition = domain_pb2.Recognition(id="job1", camera_id="gate", image_width=64, image_height=48)
    number, kind, data, *end = event(StoredResult(7, stages_pb2.Result(recognition=recognition)), lambda *_: []).split(
        b"\n"
    )
    assert (number, kind, end) == (b"id: 7", b"event: image.done", [b"", b""])
    body = json.loads(data.removeprefix(b"data: "))
    assert (body["id"], body["sequence"], body["camera_id"], body["results"]) == ("job1", 7, "gate", [])
