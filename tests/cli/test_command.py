from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def platelane(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "platelane.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COLUMNS": "160", **environment},
    )


def test_help_teaches_the_commands() -> None:
    result = platelane("--help")
    assert result.returncode == 0
    for word in ("up", "read", "settings", "version", "platelane read photo.jpg"):
        assert word in result.stdout


def test_version() -> None:
    result = platelane("version")
    assert (result.returncode, result.stdout) == (0, "platelane 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "--scale", "ocr"), "is not SERVICE=N"),
        (("up", "--scale", "oracle=2"), "is not SERVICE=N"),
        (("up", "--scale", "ocr=0"), "is not SERVICE=N"),
        (("up", "--scale", "gateway=2"), "one gateway"),
        (("up", "--port", "99999"), "--port"),
        (("read", "photo.jpg", "--config", "[1]"), "not a JSON object"),
        (("read", "photo.jpg", "--config", "{"), "not a JSON object"),
        (("read", "photo.jpg", "--format", "xml"), "--format"),
    ],
)
def test_wrong_options_are_explained(arguments: tuple[str, ...], message: str) -> None:
    result = platelane(*arguments)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_wrong_setting_is_named() -> None:
    result = platelane("settings", PLATELANE_PORT="99999")
    assert result.returncode == 1
    assert result.stderr == "Error: PLATELANE_PORT: Input should be less than or equal to 65535\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("read", "missing.jpg"), "There is no file or folder missing.jpg."),
        (("up", "--photo", "missing.jpg"), "There is no file missing.jpg."),
    ],
)
def test_errors_are_one_message(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = platelane(*arguments, PLATELANE_STATE_DIR=str(tmp_path))
    assert (result.returncode, result.stderr) == (1, f"Error: {message}\n")


@pytest.mark.parametrize(
    ("variable", "url"), [("NATS_URL", "nats://far.example:4222"), ("TRITON_URL", "far.example:8001")]
)
def test_up_does_not_replace_somebody_elses_servers(variable: str, url: str, tmp_path: Path) -> None:
    settings = {f"PLATELANE_{variable}": url, "PLATELANE_STATE_DIR": str(tmp_path)}
    result = platelane("up", "--port", "0", **settings)
    assert result.returncode == 1
    assert f"PLATELANE_{variable} names {url}" in result.stderr


def test_up_does_not_drop_tls_in_silence(tmp_path: Path) -> None:
    settings = {"PLATELANE_TLS_CERT": "cert.pem", "PLATELANE_STATE_DIR": str(tmp_path)}
    result = platelane("up", "--port", "0", **settings)
    assert result.returncode == 1
    assert "without TLS" in result.stderr


def test_services_do_not_load_what_only_the_command_needs() -> None:
    """Five services must stay small. (structlog loads rich by itself.)"""
    services = "gateway.app, detector.handler, ocr.handler, attributes.handler, webhook_svc.aggregator"
    code = f"import {services}, platelane.service, sys; print(sorted({{'typer', 'httpx'}} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
