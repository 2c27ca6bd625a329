"""Where the fonts are, and the error if they are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.synthesis import fonts


def test_missing_fonts_are_told_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FOLDER", tmp_path)
    with pytest.raises(fonts.FontsMissingError, match="npm install"):
        fonts.require()
    for package in fonts.PACKAGES:
        (tmp_path / "node_modules" / "@fontsource" / package).mkdir(parents=True)
    fonts.require()


def test_substitutes_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FOLDER", tmp_path)
    monkeypatch.setattr(fonts, "_substituted", True)
    fonts.require()
