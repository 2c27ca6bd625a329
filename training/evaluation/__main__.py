"""Measure everything on the validation split and write the tables and pictures of docs/models.md.

Photographs go through the REST API of a running system (`platelane up`), the labelled crops through its Triton server.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import stack
from training.data import DEFAULT_DATA, Part
from training.evaluation import api, given_crops, pictures, report, sheet, tables, vehicles

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--document", type=Path, default=ROOT / "docs" / "models.md", help="where the tables go")
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), help="folder for the contact sheet")
    arguments = parser.parse_args()
    with stack.running() as state:
        photos, encoded = api.matched_photos(state.url, Part(arguments.data, "photos"), "val")
        fast, _ = api.matched_photos(state.url, Part(arguments.data, "photos"), "val", mode="fast")
        cut_outs = api.cut_out_plates(state.url, Part(arguments.data, "plates"), "val")
        plates = given_crops.read_plates(state.triton_url, Part(arguments.data, "plates"), "val")
        described = given_crops.describe_vehicles(state.triton_url, Part(arguments.data, "vehicles"), "val")
    drawn = pictures.draw(arguments.document.parent / "confusion", photos, plates, described)
    sections = [
        report.end_to_end(photos),
        report.fast_mode(fast),
        report.cut_outs(cut_outs),
        vehicles.through_api(photos),
        report.plate_crops(plates),
        vehicles.of_crops(described),
        report.gallery(drawn, arguments.document.parent),
    ]
    tables.write(arguments.document, "\n\n".join(sections), "evaluate")
    sheet.contact_sheet(photos, encoded, arguments.out / "failures.jpg")
    print(f"Tables: {arguments.document}\nWorst failures: {arguments.out / 'failures.jpg'}")


if __name__ == "__main__":
    main()
