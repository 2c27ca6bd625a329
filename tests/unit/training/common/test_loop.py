from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import numpy as np
import torch

from training.aligner.model import Aligner
from training.common import loop
from training.common.errors import CheckpointError, Interrupted, TrainingDiverged
from training.detector.model import Detector
from training.reader.model import Reader
from training.reader.train import REGIONS

CPU = torch.device("cpu")


class Line:
    """Learns to double a number; the n-th validation scores the n-th of `scores`."""

    def __init__(self, *scores: float) -> None:
        self.model: torch.nn.Module = torch.nn.Linear(1, 1)
        self.scores = iter(scores)
        self.shares: list[float] = []
        self.first = 0.0
        """Random number of the run's first."""

    def batches(self, progress: loop.Progress, random: np.random.Generator) -> Iterator[torch.Tensor]:
        self.first = random.random()
        while True:
            self.shares.append(progress.share)
            yield torch.linspace(-1, 1, 8)[:, None]

    def loss(self, model: torch.nn.Module, batch: torch.Tensor, device: torch.device) -> torch.Tensor:
        answers: torch.Tensor = model(batch.to(device))
        return (answers - 2 * batch).square().mean()

    def validate(self, model: torch.nn.Module, device: torch.device) -> Mapping[str, float]:
        with torch.no_grad():
            off = float(self.loss(model, torch.ones(1, 1), device))
        return {"score": next(self.scores), "off": off}


@pytest.fixture(autouse=True)
def _a_second_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    # the loop's clock alone: the queues of worker processes look at the module's, too, as often as they like
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))


def options(out: Path, *arguments: str) -> loop.Options:
    given = ["--out", str(out), "--precision", "fp32", "--learning-rate", "0.05", *arguments]
    return loop.options(loop.parser("", "line", minutes=1, learning_rate=1).parse_args(given))


def state(checkpoint: Path) -> Mapping[str, float]:
    saved: Mapping[str, float] = torch.load(checkpoint, weights_only=True)["state"]
    return saved


def test_a_run_ends_with_its_budget_and_has_learnt(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = Line(1.0)
    loop.train(task, options(tmp_path, "--minutes", "3"), CPU)
    assert task.shares == sorted(task.shares)
    assert task.shares[-1] > 0.97
    assert state(tmp_path / "last.pt")["seconds"] >= 180
    model = Line().model
    model.load_state_dict(loop.trained(options(tmp_path)))
    assert task.loss(model, torch.ones(1, 1), CPU).item() < 0.05


def test_the_best_validation_is_kept_and_the_last_one_too(tmp_path: Path) -> None:
    loop.train(Line(0.2, 0.9, 0.5), options(tmp_path, "--validate-minutes", "0.4"), CPU)
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in ("best.pt", "last.pt"))
    assert last["state"]["best"] == 0.9
    assert any(not torch.equal(best["model"][name], last["average"][name]) for name in best["model"])


def test_a_run_that_is_resumed_goes_on_where_it_was(tmp_path: Path) -> None:
    first = Line(0.7)
    loop.train(first, options(tmp_path), CPU)
    before = state(tmp_path / "last.pt")
    again = Line(0.6)
    loop.train(again, options(tmp_path, "--minutes", "2", "--resume"), CPU)
    after = state(tmp_path / "last.pt")
    assert min(again.shares) >= 0.5
    assert again.first != first.first
    assert after["step"] > before["step"]
    assert 120 <= after["seconds"] < 130
    assert after["best"] == 0.7


@pytest.mark.parametrize("arguments", [("--resume",), ("--initial", "nowhere.pt")])
def test_a_run_does_not_start_from_weights_that_are_not_there(arguments: tuple[str, ...], tmp_path: Path) -> None:
    task = Line()
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*\.pt"):
        loop.train(task, options(tmp_path, *arguments), CPU)
    assert task.shares == []


@pytest.mark.parametrize("arguments", [("--resume",), ("--initial", "nowhere.pt"), ("--export-only",)])
def test_weights_that_are_not_there_are_missed_before_the_data_is_read(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*\.pt"):
        loop.prepare(options(tmp_path, *arguments))


def test_a_run_that_has_used_up_its_budget_says_so(tmp_path: Path) -> None:
    loop.train(Line(0.7), options(tmp_path), CPU)
    with pytest.raises(CheckpointError, match="has used up its 1 minutes; --minutes adds more"):
        loop.train(Line(0.7), options(tmp_path, "--resume"), CPU)


def test_a_run_may_end_after_so_many_steps_on_any_machine(tmp_path: Path) -> None:
    task = Line(0.7)
    loop.train(task, options(tmp_path, "--steps", "10", "--minutes", "0.01"), CPU)
    assert state(tmp_path / "last.pt")["step"] == 10
    assert task.shares[:3] == pytest.approx([0.0, 0.0, 0.1])


def test_without_anything_to_validate_on_the_last_weights_are_the_best(tmp_path: Path) -> None:
    task = Line()
    task.validate = lambda *_: {}  # type: ignore[method-assign]
    loop.train(task, options(tmp_path, "--validate-minutes", "0.4"), CPU)
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in ("best.pt", "last.pt"))
    assert all(torch.equal(best["model"][name], last["average"][name]) for name in best["model"])


class Interrupting(Line):
    """Somebody presses Ctrl-C at a step."""

    def __init__(self, step: int, *scores: float) -> None:
        super().__init__(*scores)
        self.left = step

    def loss(self, model: torch.nn.Module, batch: torch.Tensor, device: torch.device) -> torch.Tensor:
        if len(batch) > 1:  # not the validation's
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return super().loss(model, batch, device)


def test_ctrl_c_saves_what_was_learnt_before_the_first_validation(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"stopped after 5 steps, saved in .*last\.pt"):
        loop.train(Interrupting(5), options(tmp_path), CPU)
    assert state(tmp_path / "last.pt")["step"] == 5
    assert loop.trained(options(tmp_path))
    again = Line(0.5)
    loop.train(again, options(tmp_path, "--resume"), CPU)
    assert state(tmp_path / "last.pt")["step"] > 5


def test_ctrl_c_leaves_the_best_weights_of_earlier_validations(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        loop.train(Interrupting(20, *[0.9, 0.1] * 9), options(tmp_path, "--validate-minutes", "0.1"), CPU)
    assert state(tmp_path / "last.pt")["best"] == 0.9


def test_weights_of_a_reader_with_fewer_regions_are_a_start_and_those_of_another_network_are_none(
    tmp_path: Path,
) -> None:
    old, new = Reader(3).eval(), Reader(4).eval()
    loop.load(new, old.state_dict(), tmp_path / "old.pt")
    plates = torch.randint(0, 256, (1, 64, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        (characters, regions), (grown_characters, grown) = old(plates), new(plates)
    assert torch.equal(characters, grown_characters)
    torch.testing.assert_close(grown[:, :3], regions)
    assert grown[0, 3] < regions.mean()
    with pytest.raises(CheckpointError, match=r"old\.pt holds another network: size mismatch for region"):
        loop.load(Reader(2), old.state_dict(), tmp_path / "old.pt")


class Watched(Line):
    """Learns from batches that say who made them and how far the run was then."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.seen: list[tuple[float, float]] = []

    def batches(self, progress: loop.Progress, random: np.random.Generator) -> Iterator[torch.Tensor]:
        maker = random.random()
        while True:
            yield torch.tensor([[maker], [progress.share]], dtype=torch.float64)

    def loss(self, model: torch.nn.Module, batch: torch.Tensor, device: torch.device) -> torch.Tensor:
        if len(batch) == 2:  # not the validation's
            maker, share = batch.flatten().tolist()
            self.seen.append((maker, share))
        return super().loss(model, torch.ones(1, 1), device)


AHEAD = 2 * 4 + 2
"""Steps by which a batch may be older than the step that takes it: four for each of two workers, and those in hand."""


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a single core
def test_workers_have_random_numbers_of_their_own_and_see_how_far_the_run_is(tmp_path: Path) -> None:
    task = Watched()
    loop.train(task, options(tmp_path, "--workers", "2", "--seed", "7", "--minutes", "2"), CPU)
    makers, shares = zip(*task.seen, strict=True)
    assert set(makers) == {np.random.default_rng([7, 0, worker]).random() for worker in range(2)}
    assert shares[0] == 0
    assert (120 - AHEAD) / 120 <= shares[-1] < 1


def test_the_rate_rises_for_a_moment_and_falls_to_a_hundredth() -> None:
    rates = [loop._schedule(share / 1000) for share in range(1001)]
    assert rates[0] == rates[-1] == pytest.approx(0.01)
    assert max(rates) == rates[20] == 1.0
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    task = Line()
    for weights in task.model.parameters():
        torch.nn.init.constant_(weights, float("nan"))
    with pytest.raises(TrainingDiverged, match="loss is nan after 0 steps"):
        loop.train(task, options(tmp_path), CPU)


def test_a_score_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="score is nan"):
        loop.train(Line(float("nan")), options(tmp_path), CPU)


def test_the_mean_of_checkpoints_is_of_their_averaged_weights(tmp_path: Path) -> None:
    torch.save({"model": {"weight": torch.tensor([1.0]), "count": torch.tensor(3)}}, tmp_path / "one.pt")
    other = {"weight": torch.tensor([5.0]), "count": torch.tensor(9)}
    torch.save({"model": {}, "average": other}, tmp_path / "other.pt")
    mean = loop.blended([tmp_path / "one.pt", tmp_path / "other.pt"])
    assert mean["weight"].tolist() == [3.0]
    assert mean["count"].item() == 3


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("detector", Detector()),
        ("aligner", Aligner()),
        ("reader", Reader(len(REGIONS.read_text(encoding="utf-8").split()))),
    ],
)
def test_the_committed_checkpoints_are_of_the_networks_as_they_are(name: str, model: torch.nn.Module) -> None:
    model.load_state_dict(loop.blended([Path("training/checkpoints") / f"{name}.pt"]))
