from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from training.evaluation import speed


def test_every_network_takes_the_pictures_that_it_is_timed_with() -> None:
    timed = speed.networks()
    assert {name.partition(" ")[0] for name in timed} == {"detector", "aligner", "reader"}
    for network, shape in timed.values():
        answers = network.eval()(torch.zeros(2, *shape, dtype=torch.uint8))
        assert all(len(answer) == 2 for answer in ([answers] if torch.is_tensor(answers) else answers))


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["speed"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "no GPU" in capsys.readouterr().err


def test_a_row_a_network_and_a_column_a_batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "a GPU")
    monkeypatch.setattr("training.evaluation.speed.torch.randint", lambda *_, **__: torch.zeros(1))
    monkeypatch.setattr("training.evaluation.speed.recorded", lambda *_: lambda: None)
    monkeypatch.setattr("training.evaluation.speed.milliseconds", lambda *_: [float(i) for i in range(1, 22)])
    monkeypatch.setattr("sys.argv", ["speed"])
    speed.main()
    printed = capsys.readouterr().out
    assert "| network | 1 at a time | 8 at a time | 64 at a time |" in printed
    assert printed.count("11.00 (1.10 to 20.90)") == 15
