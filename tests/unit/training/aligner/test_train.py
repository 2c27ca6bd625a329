from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import onnxruntime  # noqa: E402

from platelane.vision.crops import ALIGNER_MARGIN, PLATE_SHAPE, corners_in_crop, out_of_crop  # noqa: E402
from platelane.vision.geometry import Box  # noqa: E402
from training.aligner.model import Aligner  # noqa: E402
from training.aligner.train import LOOSEST, AlignerTask, shown, write  # noqa: E402
from training.detector.metrics import corner_error  # noqa: E402
from training.reader.augment import jittered  # noqa: E402
from training.reader.samples import Sample  # noqa: E402

PLATE = Box(60, 60, 160, 90).corners()


def test_before_any_training_nothing_is_off() -> None:
    crops = torch.randint(0, 256, (3, *PLATE_SHAPE), dtype=torch.uint8)
    corners = Aligner().eval()(crops)
    np.testing.assert_allclose(corners.detach().numpy(), np.stack([corners_in_crop(ALIGNER_MARGIN)] * 3))


def test_a_few_steps_move_corners_towards_the_truth() -> None:
    torch.manual_seed(0)
    model = Aligner().train()
    task = AlignerTask(model, [], [])
    crops = torch.randint(0, 256, (4, *PLATE_SHAPE), dtype=torch.uint8)
    truth = (torch.from_numpy(corners_in_crop(ALIGNER_MARGIN)) + torch.tensor([4.0, -2.0])).expand(4, 4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        loss = task.loss(model, (crops, truth), torch.device("cpu"))
        losses.append(loss.item())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


def test_the_truth_of_a_crop_leads_back_to_the_labelled_corners() -> None:
    """The corners that a crop was cut by are not told, but the same random numbers give them again."""
    image = np.random.default_rng(0).integers(0, 256, (150, 220, 3), dtype=np.uint8)
    sample = Sample(image, PLATE, None, "", legible=True)
    for seed in range(20):
        crop, truth = shown(sample, np.random.default_rng(seed))
        again = np.random.default_rng(seed)
        given = jittered(PLATE, again.uniform(0.2, LOOSEST), again)
        assert crop.shape == PLATE_SHAPE
        np.testing.assert_allclose(out_of_crop(truth, given, ALIGNER_MARGIN), PLATE, atol=0.1)


def test_what_the_detector_found_is_shown_as_well() -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 220, 3), dtype=np.uint8)
    found = PLATE + np.array([-20, 0], np.float32)  # farther off than the random errors go
    sample = Sample(image, PLATE, None, "", legible=True, cuts=(found,))
    truths = np.array([shown(sample, np.random.default_rng(seed))[1] for seed in range(60)])
    moved = (truths - corners_in_crop(ALIGNER_MARGIN))[:, :, 0].mean(axis=1)
    assert 15 < (moved > 10).sum() < 45  # the crop's 160 pixels show 160 of the picture


def test_validation_tells_how_far_the_detector_is_off() -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 220, 3), dtype=np.uint8)
    sample = Sample(image, PLATE, None, "", legible=True, cuts=(PLATE + np.array([6, 0], np.float32),))
    figures = AlignerTask(Aligner().eval(), [], [sample]).validate(Aligner().eval(), torch.device("cpu"))
    # 6 of 30 pixels, and an untrained model changes nothing
    assert figures["found_before"] == pytest.approx(0.2)
    assert figures["found_after"] == pytest.approx(0.2, abs=1e-4)
    assert figures["score"] == -figures["found_after"]


def test_the_error_is_a_share_of_the_height() -> None:
    assert corner_error(PLATE + np.float32(3) * np.array([1, 0], np.float32), PLATE) == pytest.approx(0.1)


def test_the_exported_file_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = Aligner()
    torch.nn.init.normal_(model.corners[-1].weight, std=0.02)
    write(model, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(0).integers(0, 256, (2, *PLATE_SHAPE), dtype=np.uint8)
    (corners,) = session.run(None, {"plate": crops})
    assert corners.shape == (2, 4, 2)
    assert session.get_outputs()[0].shape[1:] == [4, 2]
    with torch.no_grad():
        np.testing.assert_allclose(corners, model.eval()(torch.from_numpy(crops)).numpy(), atol=1e-2)
