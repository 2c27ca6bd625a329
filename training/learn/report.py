"""The gains and losses as a table for the terminal, and as a page with the plates that are still wrong."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from rich.table import Table

from platelane.vision.crops import Image, rectify_plate
from platelane.vision.geometry import Corners
from training.learn.figures import Figures

Sets = Mapping[str, Figures]
"""Figures by the name of their set; the own held-back plates come first."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A held-back plate that is still read wrong."""

    file: str
    text: str
    before: str
    after: str
    picture: Image


def enlarged(image: Image, corners: Corners) -> Image:
    """The plate cut out at a size for people to look at."""
    return rectify_plate(image, corners, margin=0.15, shape=(128, 320))


def rows(before: Sets, after: Sets) -> list[tuple[str, str, str, str, str, str]]:
    """Set, plates, texts, regions, calibration error, and how many other plates are taken for own regions."""
    found = []
    for name, old in before.items():
        new = after[name]
        texts = f"{percent(old.texts)} -> {percent(new.texts)}"
        regions = "-" if old.regions != old.regions else f"{percent(old.regions)} -> {percent(new.regions)}"
        scores = f"{100 * old.off:.1f} -> {100 * new.off:.1f}"
        found.append((name, str(old.plates), texts, regions, scores, f"{old.intruding} -> {new.intruding}"))
    return found


HEADER = ("plates", "number", "read exactly", "region right", "scores off by, points", "taken for own region")


def table(before: Sets, after: Sets) -> Table:
    result = Table()
    for column in HEADER:
        result.add_column(column, justify="left" if column == HEADER[0] else "right", overflow="fold")
    for row in rows(before, after):
        result.add_row(*row)
    return result


def blends(figures: Mapping[float, Sets]) -> Table:
    """The gains and losses of each blend."""
    caption = "read exactly, region right, calibration error, points"
    result = Table("learnt", *next(iter(figures.values())), caption=caption)
    for share, sets in figures.items():
        result.add_row(percent(share), *(_three(each) for each in sets.values()))
    return result


def _three(figures: Figures) -> str:
    regions = "-" if figures.regions != figures.regions else percent(figures.regions)
    return f"{percent(figures.texts)}, {regions}, {100 * figures.off:.1f}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def page(path: Path, title: str, before: Sets, after: Sets, misses: Sequence[Miss], commands: Sequence[str]) -> None:
    """Write one self-contained HTML file. It shows real plates, so it is only for people who may see them."""
    header = "".join(f"<th>{html.escape(column)}</th>" for column in HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(before, after)
    )
    tiles = "".join(
        f'<figure><img src="data:image/png;base64,{_png(miss.picture)}" alt=""><figcaption>{html.escape(miss.file)}<br>'
        f"is <b>{html.escape(miss.text.upper())}</b>, was read {html.escape(miss.before.upper() or '-')}, "
        f"is read <b>{html.escape(miss.after.upper() or '-')}</b></figcaption></figure>"
        for miss in misses
    )
    wrong = f"<h2>Held back and still wrong: {len(misses)}</h2><div>{tiles}</div>"
    lines = "<br>".join(html.escape(command) for command in commands)
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em .8em;text-align:right}"
        "td:first-child,th:first-child{text-align:left}div{display:flex;flex-wrap:wrap;gap:1em}"
        "figure{margin:0;width:320px}img{width:100%}code{white-space:pre-wrap}</style>"
        f"<h1>{html.escape(title)}</h1><table><tr>{header}</tr>{body}</table><p><code>{lines}</code></p>{wrong}",
        encoding="utf-8",
    )


def _png(image: Image) -> str:
    return base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode("ascii")
