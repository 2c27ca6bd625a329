from __future__ import annotations

from platelane.cli import main

main()
