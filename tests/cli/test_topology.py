"""`platelane topology` as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
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


def test_a_refused_name_is_said_once(topology: Command, tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "guarded")
    server.configuration += "authorization: {user: a, password: b}\n"
    server.start()
    try:
        refused = topology("check", "--patience", "3", NATS_URL=server.url)
    finally:
        server.kill()
    assert refused.returncode == 1
    said = "Authorization Violation. Set PLATELANE_NATS_USER and PLATELANE_NATS_PASSWORD."
    assert refused.stderr == f"Error: NATS cannot be reached at {server.url}: {said}\n"
    assert refused.stdout.count("Authorization") == refused.stdout.count("nats_not_reached_yet") == 1


def test_help_says_when_to_run_it(topology: Command) -> None:
    said = " ".join(topology("apply", "--help").stdout.split())
    assert "after an upgrade" in said
    assert "exit code" in said
