"""Compares other programs on the same photographs: how many plates they read, and how long a photograph takes."""

from __future__ import annotations

import csv
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from tqdm import tqdm

from benchmarks import results, stack
from platelane.errors import CannotStart

ROOT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENT: Final = ROOT / ".venv-peers"
READERS: Final = Path(__file__).with_name("readers")
PATIENCE: Final = 120.0
"""Seconds that a photograph may take."""
_PLATE: Final = re.compile(r"(?=.*[0-9])[A-Z0-9]{3,10}")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph and the texts of its plates."""

    path: Path
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """A reader in a separate process: `packages` are installed for it; `needs` must be on the PATH."""

    name: str
    script: str
    packages: tuple[str, ...] = ()
    needs: str = ""


PEERS: Final = (
    Peer("RapidOCR", "rapidocr.py", ("rapidocr-onnxruntime",)),
    Peer("Tesseract", "tesseract.py", needs="tesseract"),
    Peer("OpenALPR", "openalpr.py", needs="alpr"),
    Peer("fast-alpr", "fastalpr.py", ("fast-alpr[onnx]",)),
    Peer("HyperLPR3", "hyperlpr.py", ("hyperlpr3",)),
)


@dataclass(slots=True)
class Outcome:
    """The results of one reader; `problem` says why there are none."""

    name: str
    right: int = 0
    plates: int = 0
    others: int = 0
    """Number of texts that look like a plate's but match no label."""
    seconds: list[float] = field(default_factory=list)
    problem: str = ""

    def add(self, photo: Photo, texts: Sequence[str], seconds: float) -> None:
        """Count the texts that the reader found in a photograph, and the seconds that it took."""
        found = {normal for text in texts if (normal := plain(text))}
        self.plates += len(photo.texts)
        self.right += sum(text in found for text in photo.texts)
        self.others += sum(bool(_PLATE.fullmatch(text)) for text in found - set(photo.texts))
        self.seconds.append(seconds)

    def row(self) -> list[str]:
        """Its row of the table."""
        if self.problem or not self.plates:
            return [self.name, self.problem or "no plates", "", "", ""]
        return [
            self.name,
            f"{self.right} of {self.plates} ({100 * self.right / self.plates:.1f} %)",
            f"{self.others / len(self.seconds):.2f}",
            results.spread([1000 * each for each in self.seconds]),
            f"{1000 * statistics.fmean(self.seconds):.0f}",
        ]


def plain(text: str) -> str:
    """Letters and digits alone, in upper case."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def photos_of(folder: Path) -> list[Photo]:
    """The photographs of a folder, whose `plates.csv` (file, text) has the texts of their plates.

    Raises:
        CannotStart: there is no such list, or it names no existing photograph.
    """
    try:
        with (folder / "plates.csv").open(encoding="utf-8-sig", newline="") as file:
            texts: dict[str, list[str]] = {}
            for row in csv.DictReader(file):
                texts.setdefault(row["file"], []).append(plain(row["text"]))
    except (OSError, KeyError) as error:
        raise CannotStart(f"{folder / 'plates.csv'} (file, text) cannot be read: {error}.") from error
    found = [Photo(folder / name, tuple(each)) for name, each in texts.items() if (folder / name).is_file()]
    if not found:
        raise CannotStart(f"{folder / 'plates.csv'} names no photograph that is there.")
    return found


def _python() -> Path:
    """The Python of the environment with the peers, which is created if it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    return python


def _prepared(peer: Peer) -> str:
    """Install a peer; returns why it cannot run, or an empty text."""
    if peer.needs and not shutil.which(peer.needs):
        return f"there is no {peer.needs} on the PATH"
    if peer.packages:
        command = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"could not be installed: {_last_line(done.stderr)}"
    return ""


@contextmanager
def _process(peer: Peer) -> Iterator[subprocess.Popen[str]]:
    python = _python() if peer.packages else Path(sys.executable)
    process = subprocess.Popen(
        [str(python), str(READERS / peer.script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _read_by(peer: Peer, photos: Sequence[Photo]) -> Outcome:
    """Read the photographs one after the other. Each is timed in the reader, so loading the models does not count."""
    outcome = Outcome(peer.name, problem=_prepared(peer))
    if outcome.problem:
        return outcome
    with _process(peer) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = json.loads(process.stdout.readline() or '{"problem": "it ended at once"}')
        if "problem" in said:
            outcome.problem = said["problem"]
            return outcome
        for photo in tqdm(photos, peer.name, unit="photo"):
            process.stdin.write(f"{photo.path}\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline() or '{"texts": [], "seconds": 0}')
            outcome.add(photo, answer["texts"], answer["seconds"])
    return outcome


def _read_by_platelane(photos: Sequence[Photo], mode: str) -> Outcome:
    """Read the photographs one after the other through the REST API, client included."""
    outcome = Outcome(f"Platelane, {mode}")
    with stack.running() as state, httpx.Client(base_url=state.url, timeout=PATIENCE, trust_env=False) as client:
        form = {"config": json.dumps({"mode": mode})}
        for number, photo in enumerate(tqdm([photos[0], *photos], outcome.name, unit="photo")):
            data = photo.path.read_bytes()
            start = time.perf_counter()
            answer = client.post("/v1/plate-reader/", files={"upload": data}, data=form).raise_for_status().json()
            seconds = time.perf_counter() - start
            if number:  # the first is a warm-up
                outcome.add(photo, [result["plate"] for result in answer["results"]], seconds)
    return outcome


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]


def main(folder: Path) -> None:
    """Measure and write the section of RESULTS.md; `folder` has the layout for `platelane learn`."""
    photos = photos_of(folder)
    outcomes = [_read_by_platelane(photos, mode) for mode in ("regular", "fast")]
    outcomes += [_read_by(peer, photos) for peer in PEERS]
    count = sum(len(photo.texts) for photo in photos)
    results.record(
        "Peers (`python -m benchmarks peers --folder …`)",
        f"{len(photos)} photographs with {count} labelled plates, one after the other, on the processor, all in one "
        "run. A plate counts where its whole text (letters and digits) is among what was answered; of readers of any "
        "text every line counts. Other texts are those of three to ten letters and digits, with a digit, that "
        "stand on no labelled plate. Platelane is called over HTTP, its client included; the others run in a process "
        "without a server.\n\n"
        + results.table(
            ["reader", "plates read", "other texts a photo", "ms a photo (5th to 95th)", "mean"],
            [outcome.row() for outcome in outcomes],
        ),
    )
