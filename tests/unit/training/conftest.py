from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from training.synthesis import fonts

with contextlib.suppress(ImportError):
    import matplotlib.font_manager  # noqa: F401, asks the system for its fonts, the first time


@pytest.fixture
def plain_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plates are drawn in the fonts that matplotlib brings: they are the same on every machine."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(fonts, "_substituted", True)
    fonts.forget()
    yield
    fonts.forget()
