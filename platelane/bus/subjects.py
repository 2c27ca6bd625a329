"""Every subject on the bus. Words from outside (camera ids, accounts, hooks) travel as one subject token each."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from platelane.errors import BadRequest

DETECT: Final = "platelane.jobs.detect"
BULK: Final = "platelane.jobs.bulk"
"""Jobs without a waiting caller; those of `DETECT` take precedence."""
PLATE_CROPS: Final = "platelane.crops.plates"
VEHICLE_CROPS: Final = "platelane.crops.vehicles"

DETECTION: Final = "detection"
PLATES: Final = "plates"
VEHICLES: Final = "vehicles"

CANCELLED: Final = "platelane.cancelled"
"""A plain message with the id of a job whose caller has left."""
ALL_RESULTS: Final = "platelane.results.>"
STORED_RESULTS: Final = "platelane.stored.>"
"""Plain messages from the server, without data: `platelane.stored.<camera>.<job>` for each result it has stored."""
READS: Final = "platelane.reads"
"""Plain messages: questions to the index of reads."""

PULSE: Final = "platelane.pulse"
"""A plain message that every process answers with its state."""

WORD_LIMIT: Final = 1_000
"""UTF-8 bytes of one encoded word; NATS refuses protocol lines over 4,096 bytes, and a byte takes up to three."""

_EMPTY: Final = "%"
_SAFE: Final = "~"


def encode(word: str) -> str:
    """One subject token for any text: percent-encoded UTF-8, so that plain names stay readable.

    Raises:
        BadRequest: the text is longer than `WORD_LIMIT` bytes. Only a camera's name can be.
    """
    data = word.encode("utf-8", "surrogatepass")
    if len(data) > WORD_LIMIT:
        raise BadRequest(f"camera_id has {len(data)} bytes; at most {WORD_LIMIT} are accepted.")
    return quote(data, safe=_SAFE).replace(".", "%2E") or _EMPTY


def key_token(word: str) -> str:
    """As `encode`, with only the characters that NATS' own tools allow in keys of buckets. Raises BadRequest."""
    return encode(word).replace("~", "%7E").replace("%", "=")


def decode(token: str) -> str:
    """The text that `encode` turned into this token."""
    return "" if token == _EMPTY else unquote(token, encoding="utf-8", errors="surrogatepass")


def in_partition(subject: str, number: int) -> str:
    """The subject of a job's message (or a pattern) in a partition; partition 0 has the plain subject."""
    return f"{subject}.{number}" if number else subject


def part(job_id: str, stage: str) -> str:
    """The part of a job that a stage (`DETECTION`, `PLATES` or `VEHICLES`) publishes."""
    return f"platelane.parts.{job_id}.{stage}"


def parts(job_id: str) -> str:
    """All parts of a job."""
    return part(job_id, "*")


def handed_back(stream: str, sequence: int | str) -> str:
    """The counter of how often workers returned a message of a stream."""
    return f"platelane.handed_back.{stream}.{sequence}"


def stage_of(part: str) -> str:
    """The stage that published the part on this subject."""
    return part.split(".")[3]


def result(camera_id: str, job_id: str) -> str:
    """The result of a job."""
    return f"platelane.results.{encode(camera_id)}.{job_id}"


def results(camera_id: str) -> str:
    """All results of a camera."""
    return result(camera_id, "*")


def result_of_job(job_id: str) -> str:
    """The result of a job, regardless of its camera."""
    return f"platelane.results.*.{job_id}"


RETRY: Final = "retry"
"""The share of a queue that holds events whose first request has failed."""


def delivery(hook_id: int | str, share: str) -> str:
    """The queue of a webhook's events; events of one camera are in the same share."""
    return f"platelane.deliveries.{hook_id}.{share}"


def hook_health(hook_id: int) -> str:
    """The health of a webhook's receiver."""
    return f"$KV.HOOK_HEALTH.{hook_id}"


def hook_count(hook_id: str, what: str) -> str:
    """The counter of a webhook's events to which `what` (such as delivered, dropped) happened."""
    return f"platelane.counts.{hook_id}.{what}"


def image(job_id: str) -> str:
    """The picture of a job, kept for webhooks."""
    return f"$KV.IMAGES.{job_id}"


def crops(job_id: str) -> str:
    """The small pictures of a job's plates and vehicles."""
    return f"$KV.CROPS.{job_id}"


def correction(read_id: str) -> str:
    """A person's correction of a read, whose id is `<job>.<index>`."""
    return entry("corrections", read_id)


def camera_picture(account: str, camera_id: str) -> str:
    """The last picture of an account's camera."""
    return f"$KV.CAMERAS.{encode(account)}.{encode(camera_id)}"


def dead(stream: str) -> str:
    """The dead letters of a stream."""
    return f"platelane.dead.{stream}"


def outcome(account: str | None, job_id: str) -> str:
    """The outcome of a job that may be asked for later; `account` None stands for any account."""
    return f"platelane.outcomes.{'*' if account is None else encode(account)}.{job_id}"


ALL_OUTCOMES: Final = "platelane.outcomes.>"
STORED_OUTCOMES: Final = "platelane.ended.>"
"""Plain messages from the server, without data: `platelane.ended.<account>.<job>` for each outcome it has stored."""


def usage(account: str, period: str) -> str:
    """The counter of an account's calls in a month (`2026-11`) or on a day (`2026-11-30`)."""
    return f"platelane.usage.{encode(account)}.{encode(period)}"


def usage_of(account: str) -> str:
    """All counters of an account."""
    return f"platelane.usage.{encode(account)}.*"


def usage_in(period: str) -> str:
    """The counters of all accounts for a month or a day."""
    return f"platelane.usage.*.{encode(period)}"


ALL_USAGE: Final = "platelane.usage.*.*"


def rate(account: str, second: int) -> str:
    """The counter of an account's uploads in one second."""
    return f"platelane.rate.{encode(account)}.{second}"


def call_under_way(account: str, call: str) -> str:
    """The record of one of an account's last calls of the month while it is in progress; `*` for all of them."""
    return entry("requests", f"{encode(account)}.under_way.{call}")


def entry(bucket: str, key: str) -> str:
    """An entry of a key-value bucket, under the subject that NATS' own tools use."""
    return f"$KV.{bucket}.{key}"


def changed(bucket: str, key: str) -> str:
    """The plain message by which the server republishes an entry once it is stored."""
    return f"platelane.changed.{bucket}.{key}"
