"""`platelane topology` as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import NatsServer

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def topology(server: NatsServer, tmp_path: Path) -> Command:
    def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        chosen = {"NATS_URL": server.url, "STATE_DIR": str(tmp_path)} | settings
        return subprocess.run(
            [sys.executable, "-m", "platelane.cli", "topology", *arguments],
            env={**os.environ, **{f"PLATELANE_{name}": value for name, value in chosen.items()}},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command


def test_what_was_made_changed_and_left_is_said(topology: Command) -> None:
    missing = topology("check")
    assert missing.returncode == 1
    assert "stream RESULTS is missing" in missing.stdout

    made = topology("apply")
    assert (made.returncode, made.stderr) == (0, "")
    assert "made     stream RESULTS\n" in made.stdout
    assert "made     consumer detector of JOBS\n" in made.stdout

    assert "left     stream RESULTS\n" in topology("apply").stdout
    changed = topology("apply", RESULTS_DAYS="1", NATS_PARTITIONS="2")
    assert "changed  stream RESULTS: max_age 604800s -> 86400s\n" in changed.stdout
    assert "made     stream JOBS_1\n" in changed.stdout

    assert (topology("check").returncode, topology("check", NATS_PARTITIONS="3").returncode) == (0, 1)
    assert "unused   stream JOBS_1: 0 messages; --prune removes it\n" in topology("apply").stdout


def test_one_line_and_an_exit_code_say_what_went_wrong(topology: Command) -> None:
    away = topology("apply", "--patience", "1", NATS_URL="nats://127.0.0.1:1")
    assert away.returncode == 1
    assert away.stderr == "Error: NATS cannot be reached at nats://127.0.0.1:1: Connection refused.\n"
    assert "nats_error" not in away.stdout, "nor the log of the connection"

    refused = topology("apply", NATS_REPLICAS="3")
    assert refused.returncode == 1
    assert refused.stderr == "Error: NATS refuses stream RESULTS: replicas > 1 not supported in non-clustered mode\n"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that wants a user."""
    server = NatsServer(tmp_path / "guarded")
    server.configuration += "authorization: {user: a, password: b}\n"
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(
    "command", [("topology", "apply"), ("topology", "check"), ("tokens", "list"), ("tokens", "first"), ("dead", "list")]
)
def test_a_refused_password_ends_every_command_at_once(
    guarded: NatsServer, tmp_path: Path, command: tuple[str, ...]
) -> None:
    chosen = {"NATS_URL": guarded.url, "NATS_USER": "a", "NATS_PASSWORD": "wrong", "PROFILE": "cloud"}
    chosen["STATE_DIR"] = str(tmp_path)
    started = time.monotonic()
    refused = subprocess.run(
        [sys.executable, "-m", "platelane.cli", *command],
        env={**os.environ, **{f"PLATELANE_{name}": value for name, value in chosen.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert time.monotonic() - started < 25, "topology apply would wait 60 s, tokens first 30"
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Error: NATS at {guarded.url} refuses the user name or password (Authorization Violation). "
        "Check PLATELANE_NATS_USER and PLATELANE_NATS_PASSWORD.\n"
    )


def test_help_says_when_to_run_it(topology: Command) -> None:
    said = " ".join(topology("apply", "--help").stdout.split())
    assert "after an upgrade" in said
    assert "exit code" in said
