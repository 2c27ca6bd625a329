from __future__ import annotations

import pytest

from gateway.intake.url_fetcher import _split


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://пример.рф:8080/a.jpg", "xn--e1afmkfd.xn--p1ai:8080"),
        ("http://пример.рф/a.jpg", "xn--e1afmkfd.xn--p1ai"),
        ("http://bücher.example:8080/a.jpg", "xn--bcher-kva.example:8080"),
        ("http://[2001:db8::1]:8080/a.jpg", "[2001:db8::1]:8080"),
    ],
)
def test_names_in_other_scripts_are_asked_for_in_ascii(address: str, host: str) -> None:
    assert _split(address).netloc == host
