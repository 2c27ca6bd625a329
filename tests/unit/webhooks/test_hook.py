"""What a hook may be set to, and what stored hooks keep."""

from __future__ import annotations

import pytest

from platelane.errors import BadRequest
from platelane.webhooks.hook import Hook, HookSettings

TARGET = "http://receiver.example/plates"
NO_ADDRESS = "target: the target must be an http:// or https:// address."


@pytest.mark.parametrize(
    "target",
    [
        "http://",
        "ftp://x/",
        "http://x:99999/",
        "http://x:port/",
        "http://x:0/",
        "http://[::1",
        "http://.../",
        "http://a b",
    ],
)
def test_a_target_that_is_no_address_is_called_so(target: str) -> None:
    with pytest.raises(BadRequest) as caught:
        HookSettings.checked({"target": target})
    assert caught.value.detail == NO_ADDRESS


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X": "y" * 2_001}, "headers: the value of X must have at most 2000 characters."),
        ({"X": "a\r\nB: c"}, "headers: the value of X must be printable ASCII."),
        ({"x" * 101: "y"}, f"headers: '{'x' * 100}' cannot be set as a header."),
        ({"X-Key": "a", "x-key": "b"}, "headers: a name occurs twice, in upper and lower case."),
    ],
)
def test_headers_that_cannot_be_sent(headers: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        HookSettings.checked({"target": TARGET, "headers": headers})
    assert caught.value.detail == said


@pytest.mark.parametrize("pattern", ["[a-z]+", "^ab", "ab$", "(ab|cd)", "ab%", r"\d\d", "a{2}"])
def test_patterns_of_other_kinds_are_refused(pattern: str) -> None:
    with pytest.raises(BadRequest, match=r"filter.plates: .* has the character .; the wildcards are \? and \*\."):
        HookSettings.checked({"target": TARGET, "filter": {"plates": [pattern]}})


def test_stored_hooks_keep_what_an_earlier_version_accepted() -> None:
    stored = Hook(id=1, target="http://x:0/", headers={"A": "1", "a": "2"}, filter={"plates": ["[a-z]"]})
    assert Hook.model_validate_json(stored.model_dump_json()) == stored
