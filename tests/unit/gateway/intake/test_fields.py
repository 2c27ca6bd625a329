"""Field values as clients spell them."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import fields
from platelane.errors import BadRequest, RequestError
from platelane.pb.v1 import domain_pb2
from platelane.regions import table

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)
DEFAULTS = domain_pb2.Options(threshold_detection=0.2, threshold_text=0.6)


@pytest.mark.parametrize(
    "config",
    [
        None,
        "",
        "  ",
        "{}",
        {},
        '{"detection_rule":"False","region":"False"}',
        '{"mode": "regular", "detection_mode": "plate", "unknown": {"a": [1, 2]}}',
        '{"mode": 7, "detection_rule": null, "detection_mode": true, "region": [], "text_formats": 5}',
        '{"threshold_d": "much", "threshold_o": 7, "plates_per_vehicle": 0, "zoom_in_vehicles": -1}',
        '{"threshold_d": true, "threshold_o": null, "plates_per_vehicle": [], "zoom_in_vehicles": "four"}',
        '{"text_formats": ["", 17, null, {}]}',
    ],
)
def test_what_is_unknown_is_ignored(config: object) -> None:
    assert fields.options(config) == DEFAULTS


def test_every_config_key() -> None:
    config = {
        "mode": "Fast",
        "detection_rule": "strict",
        "detection_mode": "vehicle",
        "region": "strict",
        "threshold_d": 0.5,
        "threshold_o": "0.25",
        "text_formats": ["[0-9][0-9][0-9][a-z][a-z]"],
        "plates_per_vehicle": 3,
        "zoom_in_vehicles": 0,
    }
    expected = domain_pb2.Options(
        mode=domain_pb2.MODE_FAST,
        strict_detection=True,
        vehicles=True,
        regions=["us-ca", "mx"],
        strict_region=True,
        text_formats=["[0-9][0-9][0-9][a-z][a-z]"],
        threshold_detection=0.5,
        threshold_text=0.25,
        plates_per_vehicle=3,
        zoom_in_vehicles=0,
        make_model_color=True,
        direction=True,
    )
    assert fields.options(config, ["us-ca,mx"], "true", "True") == expected
    assert fields.options(json.dumps(config), ["us-ca", "mx"], True, 1) == expected
    assert fields.options('{"zoom_in_vehicles": 1e9}').zoom_in_vehicles == 32


def test_redaction_has_the_thresholds_that_are_sent_and_no_others() -> None:
    redaction = domain_pb2.Options(mode=domain_pb2.MODE_REDACTION, explicit_thresholds=True)
    assert fields.options('{"mode": "redaction"}') == redaction
    assert fields.options('{"mode": "fast"}', mode=domain_pb2.MODE_REDACTION) == redaction
    redaction.threshold_detection = 0.3
    assert fields.options('{"mode": "redaction", "threshold_d": 0.3}') == redaction


@pytest.mark.parametrize("config", ["fast", "{", "[]", "null", "7", "'{}'", "{'mode': 'fast'}", [], 7, True])
def test_a_config_that_is_no_object_is_refused(config: object) -> None:
    with pytest.raises(BadRequest, match="config"):
        fields.options(config)


@pytest.mark.parametrize("expression", ["[", "(((", "a" * 200, "(a)\\1", "(a{99}){99}"])
def test_a_text_format_that_cannot_be_used_is_refused(expression: str) -> None:
    options = fields.options({"text_formats": ["[a-z]", expression]})
    with pytest.raises(BadRequest, match="text_formats"):
        fields.check_text_formats(options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "mode",
        "detection_rule",
        "detection_mode",
        "region",
        "threshold_d",
        "threshold_o",
        "text_formats",
        "plates_per_vehicle",
        "zoom_in_vehicles",
    ]
)


@given(st.dictionaries(keys | st.text(max_size=5), json_values))
def test_any_config_object_is_understood(config: dict[str, Any]) -> None:
    options = fields.options(config)
    with contextlib.suppress(BadRequest):
        fields.check_text_formats(options)
    assert 0 <= options.threshold_detection <= 1
    assert 0 <= options.threshold_text <= 1
    assert options.plates_per_vehicle >= options.HasField("plates_per_vehicle")
    assert options.plates_per_vehicle <= 32
    assert options.zoom_in_vehicles <= 32


@given(st.text(max_size=40) | json_values, st.lists(json_values), json_values)
def test_any_values_never_raise_anything_else(config: object, regions: list[object], mmc: object) -> None:
    with contextlib.suppress(RequestError):
        fields.options(config, regions, mmc)
    with contextlib.suppress(RequestError):
        fields.camera_id(config)
    with contextlib.suppress(RequestError):
        fields.timestamp_us(mmc, NOW)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([], []),
        ([""], []),
        (["us-ca"], ["us-ca"]),
        (["mx", "us-ca"], ["mx", "us-ca"]),
        ([" MX , us-ca,,"], ["mx", "us-ca"]),
        (["mx", "mx,gb"], ["mx", "gb"]),
        (['["mx", "gb"]'], ["mx", "gb"]),
        (["atlantis"], ["atlantis"]),
        (["br_sc", "th-10b"], ["br_sc", "th-10b"]),
        ([None, 7, {}, "de"], ["de"]),
        (["a" * 2_000_000, "de"], ["de"]),
        (["a," * 1_000 + "de"], ["a"]),
        ([""] * 1_000 + ["de"], []),
    ],
)
def test_regions(values: list[object], codes: list[str]) -> None:
    assert fields.regions(values) == codes


def test_every_region_there_is_may_be_named() -> None:
    every = list(table())
    assert len(every) > 220
    assert fields.regions(every) == fields.regions([",".join(every)]) == [code.lower() for code in every]


codes = st.lists(st.from_regex(r"[a-z]{2}(-[a-z0-9]{2,3})?", fullmatch=True), unique=True, max_size=20)


@given(codes, st.randoms())
def test_region_laws(wanted: list[str], random: Any) -> None:
    """Comma list, repeated field, case and blanks make no difference, and reading what was read changes nothing."""
    odd = [f" {code.upper() if random.random() < 0.5 else code} " for code in wanted]
    assert fields.regions(odd) == fields.regions([",".join(odd)]) == wanted
    assert fields.regions(fields.regions(odd)) == wanted


@pytest.mark.parametrize("value", ["True", "true", "TRUE", "1", " true ", True, 1, "yes", "on", "y", "T"])
def test_flags_that_are_set(value: object) -> None:
    assert fields.flag(value)


@pytest.mark.parametrize("value", ["False", "false", "0", "", "null", "2", False, 0, None, [], {}, 1.0])
def test_flags_that_are_not(value: object) -> None:
    assert not fields.flag(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-08-19T13:11:25", (2019, 8, 19, 13, 11, 25)),
        ("2019-08-19T13:11:25Z", (2019, 8, 19, 13, 11, 25)),
        ("2019-08-19T13:11:25+00:00", (2019, 8, 19, 13, 11, 25)),
        ("2019-08-19T13:11:25+02:00", (2019, 8, 19, 11, 11, 25)),
        ("2019-08-19T13:11:25 02:00", (2019, 8, 19, 11, 11, 25)),
        ("2019-08-19 13:11:25.896406", (2019, 8, 19, 13, 11, 25, 896_406)),
        ("2019-08-19 13:11", (2019, 8, 19, 13, 11)),
        ("2019-08-31T14:22:06.983Z", (2019, 8, 31, 14, 22, 6, 983_000)),
        (" 2019-08-19T13:11:25 ", (2019, 8, 19, 13, 11, 25)),
        ("2019-08-19", (2019, 8, 19)),
    ],
)
def test_timestamps(text: str, expected: tuple[int, ...]) -> None:
    moment = datetime(*expected, tzinfo=UTC)  # type: ignore[arg-type, misc]
    assert fields.timestamp_us(text, NOW) == round(moment.timestamp() * 1e6)


@pytest.mark.parametrize("value", [None, ""])
def test_no_timestamp_is_now(value: object) -> None:
    assert fields.timestamp_us(value, NOW) == 1_767_323_045_678_901


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2019-13-01",
        "13:11",
        " ",
        "0",
        1_566_220_285,
        [],
        {},
        "2019-08-19T13:11:25+99:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999-23:59",
    ],
)
def test_other_timestamps_are_refused(value: object) -> None:
    with pytest.raises(BadRequest, match="timestamp"):
        fields.timestamp_us(value, NOW)


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(["T", " "]))
def test_every_moment_survives(moment: datetime, separator: str) -> None:
    moment = moment.astimezone(UTC)
    value = fields.timestamp_us(moment.isoformat(separator), NOW)
    assert value == fields.timestamp_us(moment.replace(tzinfo=None).isoformat(separator), NOW)
    assert value == fields.timestamp_us(moment.isoformat().replace("+00:00", "Z"), NOW)


@pytest.mark.parametrize(
    ("value", "name"), [(None, ""), ("", ""), ("cam 1", "cam 1"), ("Einfahrt Süd 🚗", "Einfahrt Süd 🚗"), (7, "7")]
)
def test_camera_ids(value: object, name: str) -> None:
    assert fields.camera_id(value) == name


@pytest.mark.parametrize("value", ["x" * 2_000, [], {"a": 1}, True])
def test_camera_ids_that_are_refused(value: object) -> None:
    with pytest.raises(BadRequest):
        fields.camera_id(value)


def test_json_gives_no_text_that_protobuf_refuses() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(b'"\\ud800"')


@pytest.mark.parametrize(
    ("field", "config", "wanted"),
    [
        ("true", None, True),
        (None, '{"characters": true}', True),
        ("0", '{"characters": true}', False),
        (None, None, False),
    ],
)
def test_characters_are_asked_for_by_field_or_config(field: str | None, config: str | None, wanted: bool) -> None:
    assert fields.options(config, characters=field).characters is wanted
