"""The commands of the documents, run as written against one system, and compared with the output shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.documents import ROOT, Block, blocks

from .conftest import SAMPLE, Stack

RUNS = [block for block in blocks("sh") if not block.reason]
SECONDS = 60.0


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    """The address of a webhook receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/plates"
        server.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: like the checkout, with the files that they name."""
    folder = tmp_path_factory.mktemp("documents")
    for name in ("samples", "deploy", "docs", "proto"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for photo in ("car.jpg", "folder/a.jpg", "photos/b.jpg"):
        (folder / photo).parent.mkdir(exist_ok=True)
        (folder / photo).write_bytes(SAMPLE.read_bytes())
    (folder / "wanted.txt").write_text("GK 482 TV\n")
    return folder


class Reader:
    """Somebody who types the commands of the documents."""

    def __init__(self, stack: Stack, folder: Path, receiver: str) -> None:
        self._stack = stack
        self._folder = folder
        self._receiver = receiver

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PLATELANE_")},
            "PLATELANE_STATE_DIR": str(self._stack.state_dir),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        }

    def here(self, text: str) -> str:
        """A block's text with the addresses of this system, and the numbers of its own webhooks."""
        text = text.replace("http://192.168.1.20:8081/plates", self._receiver)
        text = text.replace("http://127.0.0.1:8080", self._stack.base_url)
        text = text.replace("127.0.0.1:8090", self._stack.state.grpc_address)
        if "hooks create" in text:
            probe = httpx.post(f"{self._stack.base_url}/v1/webhooks/", json={"target": self._receiver}, trust_env=False)
            number = probe.json()["id"]
            httpx.delete(f"{self._stack.base_url}/v1/webhooks/{number}/", trust_env=False)
            text = re.sub(r"(hooks (?:show|test|dead|replay)) 1\b", rf"\1 {number + 1}", text)
        return text

    def run(self, block: Block) -> str:
        """What it prints."""
        language = ["bash", "-e", "-o", "pipefail", "-c"] if block.language == "sh" else [sys.executable, "-u", "-c"]
        process = subprocess.Popen(
            [*language, self.here(block.text)],
            cwd=self._folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if block.is_endless:
            return self._first_words(process)
        output, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, f"{block}\n{output}\n{errors}"
        return output

    def read_a_photo(self) -> None:
        """So that there is a result."""
        files = {"upload": SAMPLE.read_bytes()}
        url = f"{self._stack.base_url}/v1/plate-reader/"
        httpx.post(url, data={"camera_id": "gate"}, files=files, timeout=SECONDS, trust_env=False).raise_for_status()

    def _first_words(self, process: subprocess.Popen[str]) -> str:
        """Until it has told of a photo that is read meanwhile."""
        assert process.stdout
        assert process.stderr
        told: list[str] = []
        enough = threading.Event()

        def read_photos() -> None:
            end = time.monotonic() + SECONDS
            while not enough.wait(0.5) and time.monotonic() < end:
                self.read_a_photo()
            process.kill()

        reading = threading.Thread(target=read_photos)
        reading.start()
        try:
            while not any("gate" in line for line in told):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                told.append(line)
        finally:
            enough.set()
            reading.join()
            process.communicate()
        return "".join(told)


@pytest.fixture(scope="module")
def reader(stack: Stack, folder: Path, receiver: str) -> Reader:
    return Reader(stack, folder, receiver)


@pytest.mark.parametrize("block", RUNS, ids=str)
def test_commands_work(reader: Reader, block: Block) -> None:
    output = reader.run(block)
    assert '"status_code"' not in output, "an error of the API"


@pytest.mark.parametrize("block", [block for block in blocks("python") if block.is_endless], ids=str)
def test_programs_work(reader: Reader, block: Block) -> None:
    assert "['gk482tv']" in reader.run(block)


def test_the_answer_is_the_one_that_is_shown(reader: Reader) -> None:
    readme = [block for block in blocks("sh", "json") if block.document.name == "README.md"]
    (command,) = (block for block in readme if block.text.startswith("curl -F upload=@samples/gate.jpg"))
    (shown,) = (block for block in readme if block.language == "json")
    told, expected = json.loads(reader.run(command)), json.loads(shown.text)
    assert shape(told) == shape(expected)
    result, wanted = told["results"][0], expected["results"][0]
    assert (result["plate"], result["region"]["code"]) == (wanted["plate"], wanted["region"]["code"])
    assert result["vehicle"]["type"] == wanted["vehicle"]["type"]
    for side, position in wanted["box"].items():
        assert abs(result["box"][side] - position) <= 5


def shape(value: Any) -> Any:
    """The names in it, and the kinds of values; of a list, its first element's."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_the_start_is_the_one_that_is_shown(stack: Stack) -> None:
    (shown,) = (block for block in blocks("") if block.text.startswith("$ make run"))
    lines = [line for line in shown.text.splitlines()[1:] if line and not re.match(r"[┏┃┡│└]|samples/|Read in", line)]
    said = {told(line) for line in stack.said.splitlines()}
    for line in lines:
        assert told(line) in said or line.split()[0] in ("try", "or"), f"{line!r} is not in\n{stack.said}"


def told(line: str) -> str:
    """A line without what differs from start to start: times, process ids, ports and folders."""
    without_folder = re.sub(r"(logs +|unix:)\S.*", r"\1", line)
    return " ".join(re.sub(r"\d+(\.\d+)*", "#", without_folder).split())
