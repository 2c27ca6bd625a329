from __future__ import annotations

import pytest

from benchmarks.stack import reason

REASON = "There is no environment for Triton: `make install` makes it."


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (f"Starting nats-server\nError: {REASON}\nEverything is stopped.\n", REASON),
        ("Traceback ...\nKilled\n", "Killed"),
        ("", "It printed nothing."),
    ],
)
def test_why_platelane_did_not_start_is_one_line(printed: str, said: str) -> None:
    assert reason(printed) == said
