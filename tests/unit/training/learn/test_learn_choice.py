from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from rich.console import Console

from platelane.pb.v1 import domain_pb2
from platelane.resources import MODELS
from platelane.vision.geometry import Box
from training.common.errors import CheckpointError
from training.common.folded import folded, softening, verified, weights_of
from training.common.loop import Progress
from training.learn import output
from training.learn.figures import DRAWN, OWN, Figures, Truth
from training.learn.options import NotImproved, Options
from training.learn.program import Candidate, _best_candidates, losses
from training.learn.reader import GUARDED, REGION_LAYER, OwnPlatesTask, StartingPoint, answers, blended, divergence
from training.learn.report import blends
from training.reader.model import Reader, Served
from training.reader.samples import Sample

READER = MODELS / "reader" / "1" / "model.onnx"
REGIONS = (MODELS / "reader" / "regions.txt").read_text().split()


def figures(texts: float, regions: float = 0.9, off: float = 0.02) -> Figures:
    return Figures(100, texts, regions, off, 0)


def candidate(share: float, own: float, drawn: Figures) -> Candidate:
    return Candidate(share, {OWN: figures(own), DRAWN: drawn})


BEFORE = {OWN: figures(0.2), DRAWN: figures(0.9)}


@pytest.mark.parametrize(("code", "allowed"), [("om", {"om"}), ("us", {each for each in REGIONS if each[:3] == "us-"})])
def test_plates_of_any_code_can_be_measured(code: str, allowed: set[str]) -> None:
    """Also of one that no plate to learn from has: a guard of American plates whose state is not known."""
    task = OwnPlatesTask(StartingPoint.of(READER, REGIONS, ()), [])
    plate = Sample(np.zeros((8, 8, 3), np.uint8), np.zeros((4, 2), np.float32), (1, 2), code, True)
    (found,) = task.targets([plate]).regions
    assert {region for region, one in zip(REGIONS, found.tolist(), strict=True) if one} == allowed


def test_plates_of_guards_are_to_be_read_as_they_are() -> None:
    guarded = Sample(np.full((90, 200, 3), 128, np.uint8), Box(20, 20, 180, 70).corners(), None, "", True)
    task = OwnPlatesTask(StartingPoint.of(READER, REGIONS, ()), [replace(guarded, region="om")], [guarded])
    batch = next(task.batches(Progress(), np.random.default_rng(1)))
    assert len(batch.plates) == len(batch.known.lengths) + GUARDED
    with torch.no_grad():
        characters, regions = task.served(batch.plates)
    torch.testing.assert_close(divergence(regions, regions), torch.zeros(len(regions)), atol=1e-5, rtol=0)
    other = characters.roll(1, dims=-1)
    assert divergence(other, characters).min() > 1e-3


def test_the_best_for_ones_own_plates_among_those_that_cost_others_little_is_worth_most() -> None:
    candidates = [
        candidate(0.25, 0.5, figures(0.9)),
        candidate(0.5, 0.8, figures(0.895)),
        candidate(0.66, 0.9, figures(0.88)),
        candidate(0.7, 0.9, figures(0.9, regions=0.88)),
        candidate(0.8, 0.9, figures(0.9, off=0.04)),
    ]
    assert [each.share for each in _best_candidates(candidates, BEFORE, Options(Path()))] == [0.5, 0.25]


def test_what_costs_too_much_is_refused_unless_it_is_asked_for() -> None:
    costly = [candidate(1.0, 0.9, figures(0.7))]
    with pytest.raises(NotImproved, match=r"drawn plates of all regions: 20\.0 points fewer texts right"):
        _best_candidates(costly, BEFORE, Options(Path()))
    assert _best_candidates(costly, BEFORE, Options(Path(), accept_loss=True)) == costly


def test_every_blend_is_shown_beside_what_is_served() -> None:
    console = Console(record=True, width=160)
    console.print(blends({0.0: BEFORE, 0.25: {OWN: figures(0.5), DRAWN: figures(0.88)}}))
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines() if "%" in line
    ]
    assert rows == [
        ["0.0 %", "20.0 %, 90.0 %, 2.0", "90.0 %, 90.0 %, 2.0"],
        ["25.0 %", "50.0 %, 90.0 %, 2.0", "88.0 %, 90.0 %, 2.0"],
    ]


def test_what_gains_nothing_is_refused() -> None:
    with pytest.raises(NotImproved, match="Nothing was gained"):
        _best_candidates([candidate(1.0, 0.2, figures(0.95))], BEFORE, Options(Path(), accept_loss=True))


def test_a_point_of_texts_of_regions_and_of_calibration_may_be_lost() -> None:
    assert losses(BEFORE, {OWN: figures(0.1), DRAWN: figures(0.891, 0.891, 0.029)}) == []
    assert len(losses(BEFORE, {OWN: figures(0.1), DRAWN: figures(0.88, 0.88, 0.04)})) == 3


def test_one_plate_of_a_small_guard_is_no_loss() -> None:
    before, after = (replace(figures(texts, float("nan")), plates=50) for texts in (0.9, 0.88))
    assert losses({OWN: BEFORE[OWN], "ours": before}, {OWN: BEFORE[OWN], "ours": after}) == []
    assert losses({OWN: BEFORE[OWN], "ours": before}, {OWN: BEFORE[OWN], "ours": replace(after, texts=0.86)})


def test_figures_count_texts_regions_intruders_and_how_far_scores_are_off() -> None:
    read = [
        domain_pb2.Plate(text=text, text_score=score, regions=[domain_pb2.Scored(value=region, score=1)])
        for text, score, region in (("a1", 0.9, "om"), ("b2", 0.8, "us-ca"), ("c3", 0.9, "om"), ("d4", 0.6, "om"))
    ]
    truths = [Truth("a1", "om"), Truth("b2", "us"), Truth("x", "de"), Truth("y", "")]
    found = Figures.of(truths, read, frozenset({"om"}))
    assert (found.plates, found.texts, found.intruding) == (4, 0.5, 1)
    assert found.regions == pytest.approx(2 / 3)
    assert found.off == pytest.approx((0.1 + 0.2 + 0.9 + 0.6) / 4)


def test_the_served_file_is_where_learning_starts() -> None:
    start = StartingPoint.of(READER, REGIONS, ())
    network = Served(start.network(), *start.temperatures).eval()
    verified(network, READER, torch.zeros((2, 64, 160, 3), dtype=torch.uint8))
    assert {name: value[0] for name, value in softening(READER).items()} == dict(
        zip(("characters", "region"), start.temperatures, strict=True)
    )
    grown = StartingPoint.of(READER, REGIONS, ("zz",))
    assert grown.regions == (*REGIONS, "zz")
    assert len(grown.weights["region.2.bias"]) == len(REGIONS) + 1
    with pytest.raises(CheckpointError, match=r"region\.2\.weight is not what it should be"):
        weights_of(READER, folded(Reader(5)), "reader")


def test_a_new_region_begins_where_its_plates_are_told_from_others() -> None:
    random = np.random.default_rng(3)
    dark, light = (
        [
            Sample(
                random.integers(low, low + 60, (64, 160, 3), np.uint8), Box(0, 0, 160, 64).corners(), (1,), code, True
            )
            for _ in range(24)
        ]
        for low, code in ((20, "zz"), (180, "pl"))
    )
    start = StartingPoint.of(READER, REGIONS, ("zz",))
    probed = start.probed([*dark[:12], *light[:12]], random)
    unseen = [*dark[12:], *light[12:]]
    regions_after = answers(probed.network(), unseen, torch.device("cpu"))[1]
    served = answers(start.network(), unseen, torch.device("cpu"))[1]
    assert (regions_after[:12].argmax(dim=1) == len(REGIONS)).all()
    assert (regions_after[12:].argmax(dim=1) != len(REGIONS)).all()
    torch.testing.assert_close(regions_after[:, :-1], served[:, :-1], msg="what is served already changes")
    changed = [name for name, value in start.weights.items() if not torch.equal(value, probed.weights[name])]
    assert changed == [f"{REGION_LAYER}.weight", f"{REGION_LAYER}.bias"]


def test_a_folded_network_answers_as_it_did() -> None:
    reader = Reader(3).eval()
    for module in reader.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    plates = torch.randint(0, 256, (2, 64, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = reader(plates)
        after = folded(reader)(plates)
    torch.testing.assert_close(before, after, atol=1e-3, rtol=1e-3)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in reader.modules())


def test_blends_lie_between() -> None:
    start, learnt = {"a": torch.tensor([0.0, 2.0])}, {"a": torch.tensor([4.0, 2.0])}
    assert blended(start, learnt, 0.25)["a"].tolist() == [1.0, 2.0]


def test_a_new_folder_is_never_an_old_one(tmp_path: Path) -> None:
    names = [output.new_folder(tmp_path / "learned", "meine Schilder.").name for _ in range(3)]
    assert names == ["meine-Schilder", "meine-Schilder-2", "meine-Schilder-3"]


def test_a_copy_can_be_read_by_everybody_and_has_engines_of_its_own(tmp_path: Path) -> None:
    output.copied(MODELS, tmp_path / "models")
    output.separate_engine_cache(tmp_path / "models" / "reader")
    config = (tmp_path / "models" / "reader" / "config.pbtxt").read_text()
    assert np.unique([oct(path.stat().st_mode)[-1] for path in (tmp_path / "models").rglob("*.onnx")]).tolist() == ["4"]
    assert 'trt_engine_cache_path" value: "/var/cache/tensorrt/' in config
    assert 'value: "/var/cache/tensorrt"' in (MODELS / "reader" / "config.pbtxt").read_text()
