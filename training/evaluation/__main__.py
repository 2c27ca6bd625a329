"""Measure everything on the validation split, and write the tables and pictures of docs/models.md.

Photographs go through the REST API of a running system (`platelane up`), the labelled crops through its Triton server.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks import stack
from training.common import command
from training.data.dataset import DEFAULT_DATA, DataPart, measurable
from training.evaluation import api, given_crops, pictures, report, sheet, tables, vehicles

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = command.parser("training.evaluation", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--document", type=Path, default=ROOT / "docs" / "models.md", help="document with the tables")
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"), help="folder for the contact sheet")
    arguments = parser.parse_args()
    photos_part, plates_part, vehicles_part = (
        measurable(arguments.data, name) for name in ("photos", "plates", "vehicles")
    )
    photos_more, plates_more = (DataPart(arguments.data, name) for name in ("photos_more", "plates_more"))
    with stack.running() as state:
        photos, encoded = api.matched_photos(state.url, photos_part, "val")
        fast, _ = api.matched_photos(state.url, photos_part, "val", mode="fast")
        cut_outs = api.cut_out_plates(state.url, plates_part, "val")
        plates = given_crops.read_plates(state.triton_url, plates_part, "val")
        described = given_crops.describe_vehicles(state.triton_url, vehicles_part, "val")
        further, further_encoded = (
            api.matched_photos(state.url, photos_more, "val") if photos_more.is_there else ([], {})
        )
        further_cut_outs = api.cut_out_plates(state.url, plates_more, "val") if plates_more.is_there else []
    drawn = pictures.draw(arguments.document.parent / "confusion", photos, plates, described)
    sections = [
        report.end_to_end(photos),
        report.fast_mode(fast),
        report.cut_outs("Reading of cut-out plates, through the API", cut_outs),
        *([report.by_set("The second gathering, through the API", further)] if further else []),
        *([report.cut_outs("Cut-out plates of the second gathering", further_cut_outs)] if further_cut_outs else []),
        vehicles.through_api(photos),
        report.plate_crops(plates),
        vehicles.of_crops(described),
        report.gallery(drawn, arguments.document.parent),
    ]
    tables.write(arguments.document, "\n\n".join(sections), "evaluation")
    for name, matched, files in (("failures", photos, encoded), ("failures-more", further, further_encoded)):
        sheet.contact_sheet(matched, files, arguments.out / f"{name}.jpg")
    print(f"Tables: {arguments.document}\nWorst failures: {arguments.out}/failures*.jpg")


if __name__ == "__main__":
    command.run(main)
