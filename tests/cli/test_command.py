from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from platelane.local.ports import Ports
from platelane.runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FREE_PORTS = {"PLATELANE_NATS_URL": "nats://127.0.0.1:0", "PLATELANE_TRITON_URL": "127.0.0.1:0"}


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
    for words in ("version", "--version"):
        result = platelane(words)
        assert (result.returncode, result.stdout) == (0, "platelane 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "--scale", "ocr"), "is not SERVICE=N"),
        (("up", "--scale", "oracle=2"), "is not SERVICE=N"),
        (("up", "--scale", "ocr=0"), "is not SERVICE=N"),
        (("up", "--scale", "gateway=2"), "one gateway"),
        (("up", "--scale", "ocr=2", "detector"), "'detector' is not SERVICE=N"),
        (("up", "--scale", "ocr=2,detector=2 attributes"), "'attributes' is not SERVICE=N"),
        (("up", "ocr=2"), "'ocr=2' is not an option"),
        (("up", "--port", "99999"), "'--port': must be at most 65535."),
        (("up", "--port", "abc"), "'--port': must be a whole number."),
        (("hooks", "show", "abc"), "'ID': must be a whole number."),
        (("read", "photo.jpg", "--config", "[1]"), "not a JSON object"),
        (("read", "photo.jpg", "--config", "{"), "not a JSON object"),
        (("read", "photo.jpg", "--format", "xml"), "'--format': 'xml' is not one of"),
    ],
)
def test_wrong_options_are_explained(arguments: tuple[str, ...], message: str) -> None:
    result = platelane(*arguments)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_wrong_setting_is_named() -> None:
    result = platelane("settings", PLATELANE_PORT="99999")
    assert result.returncode == 1
    assert result.stderr == "Error: PLATELANE_PORT must be at most 65535.\n"


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


@pytest.mark.parametrize("command", [("read", __file__), ("hooks", "list")])
def test_no_stranger_on_the_usual_port_is_used(command: tuple[str, ...], tmp_path: Path) -> None:
    result = platelane(*command, PLATELANE_STATE_DIR=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: No Platelane runs here (with {tmp_path}). Start one with `platelane up`")


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"a photo")
    url = f"http://127.0.0.1:{Ports().take()}"
    result = platelane("read", str(tmp_path), "--url", f"{url}/v1/plate-reader/")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith(f"Error: {url} cannot be reached: ")
    assert result.stderr.count("cannot be reached") == 1


@pytest.mark.parametrize("path", ["/v1", "/alpr/", "//v1//plate-reader", "/docs?x=1", "/v1/webhooks/3/#a"])
def test_the_path_of_the_api_is_not_part_of_the_address(path: str) -> None:
    url = f"http://127.0.0.1:{Ports().take()}"
    for prefix in (url, f"{url}/plates"):
        result = platelane("read", __file__, "--url", prefix + path)
        assert result.stderr.startswith(f"Error: {prefix} cannot be reached: ")


def test_a_watch_list_is_text() -> None:
    result = platelane(
        "hooks", "create", "http://a.example", "--watch-list", sys.executable, "--url", "http://127.0.0.1:9"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: {sys.executable} is not UTF-8 text: save it in that encoding.\n"


def test_a_state_directory_that_cannot_be_is_explained() -> None:
    result = platelane("up", "--state-dir", f"{__file__}/state")
    said = f"The state directory {__file__}/state cannot be used: Not a directory. Choose another one with --state-dir."
    assert (result.returncode, result.stderr) == (1, f"Error: {said}\n")


def test_an_address_is_one() -> None:
    result = platelane("read", __file__, "--url", "127.0.0.1:8080")
    assert "Error: 127.0.0.1:8080 is not an address" in result.stderr


def test_a_self_signed_certificate_can_be_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # which has no such page
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}"
        for options, environment, said in (
            ((), {}, "--ca names the certificate to trust."),
            (("--ca", str(tmp_path / "ca.pem")), {}, "is not a Platelane server"),
            ((), {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}, "is not a Platelane server"),
            (("--ca", __file__), {}, "cannot be used as a certificate"),
        ):
            environment = {"SSL_CERT_FILE": "", **environment}
            result = platelane("hooks", "list", "--url", url, *options, **environment)
            assert said in result.stderr
        server.shutdown()


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = platelane("up", "--port", port, PLATELANE_STATE_DIR=str(tmp_path), **FREE_PORTS)
    assert result.returncode == 1
    assert f"Port {port} is taken by another program" in result.stderr


@pytest.mark.parametrize("url", ["http://[::1", "http://x:port/", "http://x:99999", "x", "ftp://x"])
@pytest.mark.parametrize("command", [("read", __file__), ("hooks", "list")])
def test_what_is_no_address_is_called_so(command: tuple[str, ...], url: str) -> None:
    result = platelane(*command, "--url", url)
    said = f"Error: {url} is not an address: --url takes one like http://127.0.0.1:8080.\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", said)


@pytest.mark.parametrize("token", ["\u00e4", "a\nb"])
@pytest.mark.parametrize("command", [("read", __file__), ("hooks", "list")])
def test_a_token_that_cannot_be_sent_is_called_so(command: tuple[str, ...], token: str) -> None:
    result = platelane(*command, "--url", "http://127.0.0.1:9", "--token", token)
    said = "Error: A token has only letters, digits and signs of ASCII.\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", said)


def test_a_refused_connection_and_a_full_disk_are_called_so() -> None:
    away = platelane("read", __file__, "--url", "http://127.0.0.1:9")
    assert away.stderr == "Error: http://127.0.0.1:9 cannot be reached: Connection refused.\n"
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "platelane.cli", "settings", "--markdown"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.stderr == "Error: No space left on device\n"


def test_a_path_of_a_user_that_does_not_exist() -> None:
    result = platelane("topology", "check", PLATELANE_STATE_DIR="~nobody-of-this-name/x")
    said = "Error: A path begins with ~, but the home directory of that user is not known.\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", said)


def test_a_limit_beyond_what_json_holds_is_refused() -> None:
    """It could be stored, and every list of the tokens would then fail."""
    result = platelane("tokens", "create", "x", "--rate-limit", "99999999999999999999")
    said = " ".join(result.stderr.replace("│", "").split())
    assert (result.returncode, "'--rate-limit': must be at most 9007199254740992." in said) == (2, True)
    result = platelane("settings", PLATELANE_MAX_CALLS="99999999999999999999")
    assert result.stderr == "Error: PLATELANE_MAX_CALLS must be at most 9007199254740992.\n"


def test_tables_are_whole_where_there_is_no_terminal() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "platelane.cli", "settings"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert len(result.stdout.splitlines()) == len(Settings.model_fields) + 4
    assert "smtp(s)://user:password@host:port" in result.stdout


def test_tokens_without_nats_is_one_sentence(tmp_path: Path) -> None:
    result = platelane("tokens", "list", PLATELANE_STATE_DIR=str(tmp_path), PLATELANE_NATS_URL="nats://127.0.0.1:9")
    assert result.returncode == 1
    assert len((result.stdout + result.stderr).splitlines()) == 1
    assert result.stderr.startswith("Error: NATS cannot be reached at nats://127.0.0.1:9")


def test_interrupted_while_it_loads(tmp_path: Path) -> None:
    # a background job starts with the signal ignored
    interrupted = "signal.signal(signal.SIGINT, signal.default_int_handler)\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "typer.py").write_text(f"import os, signal\n{interrupted}")
    result = platelane("version", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_interrupted_within_a_library_that_it_loads(tmp_path: Path) -> None:
    """Some of them take what Ctrl-C raises for an error of theirs."""
    swallowed = "except KeyboardInterrupt:\n    raise ImportError('cannot be loaded') from None\n"
    (tmp_path / "typer.py").write_text(f"import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n{swallowed}")
    in_front = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    result = subprocess.run(
        [sys.executable, "-c", f"{in_front}; from platelane.cli import main; main()"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_interrupted_before_it_runs() -> None:
    """The interpreter starts with the signal blocked, as `make run` has it, and already sent."""

    def interrupted() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    command = [sys.executable, "-m", "platelane.cli", "version"]
    result = subprocess.run(command, preexec_fn=interrupted, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("variable", "url"), [("NATS_URL", "nats://far.example:4222"), ("TRITON_URL", "far.example:8001")]
)
def test_up_does_not_replace_somebody_elses_servers(variable: str, url: str, tmp_path: Path) -> None:
    settings = {f"PLATELANE_{variable}": url, "PLATELANE_STATE_DIR": str(tmp_path)}
    result = platelane("up", "--port", "0", **settings)
    assert result.returncode == 1
    assert f"PLATELANE_{variable} is {url}" in result.stderr


def test_up_says_at_once_that_a_folder_holds_no_models(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    result = platelane("up", "--port", "0", "--models", str(tmp_path / "models"), PLATELANE_STATE_DIR=str(tmp_path))
    assert (result.returncode, "Starting" in result.stdout) == (1, False)
    assert f"{tmp_path}/models holds no models of Platelane." in result.stderr


def test_up_does_not_drop_tls_in_silence(tmp_path: Path) -> None:
    settings = {"PLATELANE_TLS_CERT": "cert.pem", "PLATELANE_STATE_DIR": str(tmp_path)}
    result = platelane("up", "--port", "0", **settings)
    assert result.returncode == 1
    assert "without TLS" in result.stderr


def test_services_do_not_load_what_only_the_command_needs() -> None:
    """Services must stay small. (structlog loads rich by itself.)"""
    services = "gateway.app, detector.handler, ocr.handler, attributes.handler, aggregator.handler"
    modules = f"{services}, platelane.runtime.service, sys"
    code = f"import {modules}; print(sorted({{'typer', 'httpx'}} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
