"""What is stored of a token."""

from __future__ import annotations

from platelane.runtime.settings import Settings
from platelane.tokens import Token, account, fingerprint, new_token


def test_tokens_are_long_and_each_another() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {40}


def test_what_is_kept_does_not_tell_the_token() -> None:
    token = new_token()
    assert token not in fingerprint(token) + Token(name="gate").model_dump_json()
    assert fingerprint(token).startswith(account(fingerprint(token)))


def test_tokens_of_the_settings_are_not_shown() -> None:
    assert "first" not in repr(Settings(profile="cloud", tokens=("first", "second")))
