from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from platelane.crops import PLATE_SHAPE  # noqa: E402
from platelane.geometry import Box  # noqa: E402
from training.reader import UNKNOWN, Difficulty, figures, region_loss, text_loss  # noqa: E402
from training.reader_model import Reader, Served  # noqa: E402
from training.reader_samples import Sample  # noqa: E402
from training.reader_text import target  # noqa: E402

REGIONS = ("br", "us-ca", "us-ny")


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
