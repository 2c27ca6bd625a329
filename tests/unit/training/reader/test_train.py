from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from platelane.vision.crops import PLATE_SHAPE  # noqa: E402
from platelane.vision.geometry import Box  # noqa: E402
from training.common import loop  # noqa: E402
from training.reader import train  # noqa: E402
from training.reader.model import Reader, Served  # noqa: E402
from training.reader.samples import Sample  # noqa: E402
from training.reader.splices import Splices  # noqa: E402
from training.reader.text import target  # noqa: E402
from training.reader.train import (  # noqa: E402
    UNKNOWN,
    Difficulty,
    ReaderTask,
    figures,
    region_loss,
    temperatures,
    text_loss,
    unknown_regions,
)
from training.synthesis.catalogue import DESIGNS  # noqa: E402

REGIONS = ("br", "us-ca", "us-ny")
CPU = torch.device("cpu")


def logits_for(*texts: str) -> Any:
    """Confident logits, shape (B, 80, 37), that spell the texts, a blank after every character."""
    result = torch.zeros(len(texts), 80, 37)
    for row, text in enumerate(texts):
        frames = [index for character in target(text) for index in (character, 0)]
        frames += [0] * (80 - len(frames))
        result[row, torch.arange(80), torch.tensor(frames)] = 30.0
    return result


def sample(text: str | None, region: str, legible: bool = True) -> Sample:
    classes = None if text is None else target(text)
    return Sample(np.zeros((8, 8, 3), np.uint8), Box(0, 0, 8, 8).corners(), classes, region, legible)


def test_the_reader_answers_with_probabilities_of_the_agreed_shapes() -> None:
    reader = Served(Reader(regions=5).eval(), 1.2, 0.9)
    with torch.no_grad():
        characters, region = reader(torch.randint(0, 256, (2, *PLATE_SHAPE), dtype=torch.uint8))
    assert characters.shape == (2, 80, 37)
    assert region.shape == (2, 5)
    torch.testing.assert_close(characters.sum(dim=2), torch.ones(2, 80))
    torch.testing.assert_close(region.sum(dim=1), torch.ones(2))


def test_the_right_text_costs_nothing_and_an_unknown_one_is_left_out() -> None:
    logits = logits_for("ab12", "zz99")
    known = text_loss(logits, torch.tensor(target("ab12")), torch.tensor([4, UNKNOWN]))
    wrong = text_loss(logits, torch.tensor(target("ab13")), torch.tensor([4, UNKNOWN]))
    assert known.item() == pytest.approx(0, abs=1e-3)
    assert wrong.item() > 1


def test_reading_what_is_no_plate_costs() -> None:
    silent = text_loss(logits_for("ab12", ""), torch.tensor(target("ab12")), torch.tensor([4, 0]))
    talking = text_loss(logits_for("ab12", "zz99"), torch.tensor(target("ab12")), torch.tensor([4, 0]))
    assert silent.item() == pytest.approx(0, abs=1e-3)
    assert talking.item() > 1


def test_a_country_is_right_with_any_of_its_states() -> None:
    logits = torch.tensor([[0.0, 20.0, 20.0]])
    either = region_loss(logits, torch.tensor([[False, True, True]]))
    one = region_loss(logits, torch.tensor([[False, True, False]]))
    nothing = region_loss(logits, torch.tensor([[False, False, False]]))
    assert either.item() == pytest.approx(0, abs=1e-3)
    assert one.item() == pytest.approx(np.log(2), abs=1e-3)
    assert nothing.item() == 0


def test_backgrounds_allow_no_region_where_every_plate_has_one() -> None:
    plate, background = sample("ab12", "br"), sample("", "")
    task = ReaderTask([plate], [plate], [background], REGIONS, Difficulty(0.5, 0.0), Splices({}, {}), 8)
    assert task.targets([plate, background]).regions.tolist() == [[True, False, False], [False] * 3]


def test_figures_count_clear_plates_strictly_and_with_lookalikes() -> None:
    samples = [sample("AB12", "us-ca"), sample("O123", "br"), sample("XX", "br", legible=False), sample(None, "us")]
    read = logits_for("ab12", "0123", "", "whatever")
    regions = torch.eye(3)[[2, 0, 0, 1]]
    result = figures(samples, REGIONS, read, regions)
    assert result["score"] == 0.5
    assert result["alike"] == 1.0
    assert result["us"] == 1.0
    assert result["br"] == 0.0
    assert result["country"] == 1.0
    assert result["us_state"] == 0.0
    assert result["cer"] == pytest.approx(3 / 10)


def test_training_gets_harder_with_the_budget_used() -> None:
    course = [Difficulty(0.2, 0.4).at(share) for share in (0.0, 0.1, 0.35, 0.6, 1.0)]
    assert course[0] == course[1] == Difficulty(0.2, 0.0)
    assert 0.2 < course[2].severity < 1
    assert course[3] == course[4] == Difficulty(1.0, 0.4)


def task_of(*val: Sample) -> ReaderTask:
    return ReaderTask([], val, [], REGIONS, Difficulty(0.5, 0.0), Splices({}, {}), 8)


def test_a_temperature_at_the_edge_of_what_is_tried_is_not_taken() -> None:
    plates = [sample("ab12", "br"), sample("cd34", "us-ca")]
    sure = torch.eye(3)[[0, 1]] * 30.0
    assert temperatures(task_of(*plates), logits_for("ab12", "cd34"), sure) == (1.0, 1.0)
    doubtful = [sample("ab12", "br")] * 9 + [sample("zz99", "us-ny")]
    regions = torch.tensor([[3.0, 0.0, 0.0]] * 10)
    softer = temperatures(task_of(*doubtful), logits_for(*["ab12"] * 10) / 10, regions)
    assert 0.5 < softer[1] < 3.0
    assert softer[1] != 1.0


def test_without_validation_plates_there_are_no_figures_and_no_temperatures() -> None:
    task = task_of()
    cpu = torch.device("cpu")
    assert task.validate(Reader(3).eval(), cpu) == {}
    assert temperatures(task, *task.answers(Reader(3).eval(), cpu)) == (1.0, 1.0)


def test_regions_that_the_reader_does_not_know_are_told() -> None:
    plates = [sample("a1", "om"), sample("a2", "om"), sample("a3", "us"), sample("a4", "br"), sample("a5", "unknown")]
    assert unknown_regions(plates, REGIONS) == "om (2)"


def test_frozen_layers_stay_as_they_are_and_every_drawn_region_is_known() -> None:
    plate = sample("ab12", "br")
    task = ReaderTask([plate], [plate], [], REGIONS, Difficulty(0.5, 0.0), Splices({}, {}), 8, frozen=2)
    assert isinstance(task.model, Reader)
    first, third = task.model.features[0], task.model.features[2]
    task.loss(task.model.train(), (torch.zeros(2, 64, 160, 3, dtype=torch.uint8), task.targets([plate] * 2)), CPU)
    assert not first.training
    assert third.training
    assert [each.requires_grad for each in first.parameters()] == [False] * 3
    assert all(each.requires_grad for each in third.parameters())
    assert {design.region for design in DESIGNS} <= set(task.allowed)


def test_options_of_the_command_line_reach_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trained: list[ReaderTask] = []

    def stop(task: ReaderTask, *_: Any) -> None:
        trained.append(task)
        raise SystemExit

    monkeypatch.setattr(
        sys, "argv", ["reader", "--out", str(tmp_path), "--frozen", "3", "--region-weight", "0.4", "--batch", "5"]
    )
    monkeypatch.setattr(train, "load", lambda *_: [sample("ab12", "br")])
    monkeypatch.setattr(train, "load_backgrounds", lambda *_: [])
    monkeypatch.setattr(loop, "train", stop)
    with pytest.raises(SystemExit):
        train.main()
    assert (len(list(trained[0].frozen.children())), trained[0].region_weight, trained[0].batch) == (3, 0.4, 5)
