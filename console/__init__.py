"""The console: the page that a browser gets at `/`. Its files are in `web/`; the gateway serves them as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).resolve().parent / "web"
"""The files of the page, `index.html` among them."""
