from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platelane.vision.geometry import Box
from training.evaluation import figures, report, tables, vehicles
from training.evaluation.figures import Reading
from training.evaluation.labels import PhotoLabels, PlateLabel, VehicleLabel, readable
from training.evaluation.matching import Matched, found_plates, match


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> dict[str, float]:
    return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}


def plate(where: dict[str, float], *texts: str, score: float = 0.9) -> dict[str, Any]:
    candidates = [{"value": text, "score": score} for text in texts]
    return {"box": where, "score": 0.8, "props": {"plate": candidates, "region": [{"value": "gb", "score": 0.7}]}}


def answer(*results: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> dict[str, Any]:
    return {"results": [{"plate": plate, "vehicle": vehicle} for plate, vehicle in results]}


def photo(*, all_plates: bool = True) -> PhotoLabels:
    return PhotoLabels(
        "a.webp",
        "some",
        (
            PlateLabel(Box(0, 0, 100, 20), "ab12cde", "gb", "clear"),
            PlateLabel(Box(200, 0, 300, 20), "xy34", "gb", "clear"),
        ),
        (VehicleLabel(Box(0, 0, 400, 300), "car"),),
        all_plates,
        True,
    )


def test_labels_and_finds_are_paired_once_by_overlap() -> None:
    car = {"box": box(5, 0, 400, 300), "type": "Sedan", "score": 0.9}
    matched = match(
        photo(),
        answer(
            (plate(box(0, 0, 90, 20), "ab12cde"), car),
            (plate(box(2, 0, 100, 20), "ab12cdf"), None),
            (plate(box(500, 0, 600, 20), "zz"), None),
        ),
    )
    (_, first), (_, second) = matched.plates
    assert first is not None
    assert first.texts == ("ab12cdf",), "the larger overlap wins"
    assert second is None
    assert [found.texts for found in matched.extra_plates] == [("ab12cde",), ("zz",)]
    assert matched.vehicles[0][1] is not None


def test_recall_and_precision() -> None:
    matched = match(photo(), answer((plate(box(0, 0, 100, 20), "a"), None), (plate(box(500, 0, 600, 20), "b"), None)))
    assert figures.plate_detection([matched]) == figures.DetectionFigures(2, 0.5, 0.5)
    unlabelled = Matched(photo(all_plates=False), matched.plates, matched.extra_plates, (), ())
    assert figures.plate_detection([unlabelled]).count == 0


def test_a_plate_that_the_labels_lack_is_neither_wanted_nor_false() -> None:
    labels = replace(photo(), overlooked=(Box(500, 0, 600, 20),))
    matched = match(labels, answer((plate(box(502, 1, 590, 22), "b"), None), (plate(box(700, 0, 800, 20), "c"), None)))
    assert [found.texts for found in matched.extra_plates] == [("c",)]
    assert figures.plate_detection([matched]).count == 2


def test_a_plate_counts_by_the_find_that_overlaps_it_most() -> None:
    matched = match(
        photo(),
        answer(
            (plate(box(0, 0, 60, 20), "ab12cde"), None),  # an IoU of 0.6
            (plate(box(240, 0, 300, 12), "xy34"), None),  # 0.36
            (plate(box(200, 0, 300, 20), "zz", score=0.5), None),
            (plate(box(500, 0, 600, 20), "taxi"), None),
        ),
    )
    found = figures.plate_figures([matched], 0.6)
    assert (found.count, found.found) == (2, {0.3: 1.0, 0.5: 0.5, 0.7: 0.0})
    assert (found.texts, found.exact, found.country, found.false) == (2, 1.0, 1.0, 1)
    assert figures.plate_figures([matched], 0.0).exact == 0.5, "the better box of a wrong text"
    assert "| some | 2 | 100.0 % | 50.0 % | 0.0 % | 1 |" in report.by_set("Sets", [matched])


def test_default_thresholds_leave_out_what_is_not_read() -> None:
    answered = answer(
        (plate(box(0, 0, 100, 20), "a", score=0.5), None),
        (plate(box(200, 0, 300, 20), "b", score=0.9), None),
        (plate(box(500, 0, 600, 20), "c", score=0.3), None),
    )
    matched = match(photo(), answered)
    assert figures.plate_detection([matched]) == figures.DetectionFigures(2, 1.0, 2 / 3)
    assert figures.plate_detection([matched], 0.6) == figures.DetectionFigures(2, 0.5, 1.0)


def test_directions_are_compared_around_the_circle_and_by_side() -> None:
    found = figures.direction_figures(
        [(350, 10, 0.9), (90, None, 0.0), (45, 135, 0.8), (225, 200, 0.7), (88, 100, 0.6)],
    )
    assert (found.count, found.given, found.turned) == (5, 4, 3)
    assert found.error == pytest.approx((20 + 90 + 25 + 12) / 4)
    assert found.right == 0.5
    assert found.score == pytest.approx(0.75)
    assert found.same_side == pytest.approx(2 / 3)


def test_answers_about_vehicles_count_where_the_label_is_known() -> None:
    props = {"color": [{"value": "red", "score": 0.9}], "orientation": [{"value": "Unknown", "score": 0.0}]}
    van = {"box": box(0, 0, 400, 300), "type": "Van", "score": 0.9, "props": props}
    labelled = PlateLabel(Box(0, 0, 100, 20), "a", "gb", "clear", "Van", "unknown", "Rear", 80.0)
    result = {"plate": plate(box(0, 0, 100, 20), "a"), "vehicle": van, "direction": 95, "direction_score": 0.9}
    text = vehicles.through_api([match(PhotoLabels("a", "some", (labelled,), (), True, True), {"results": [result]})])
    assert "| type | 1 | 1 | 100.0 % |" in text
    assert "| colour | 0 | 0 | 0.0 % |" in text
    assert "| orientation | 1 | 1 | 0.0 % |" in text
    assert "given for 1, off by 15 degrees" in text


def test_a_cut_out_plate_counts_by_the_first_result_and_by_its_score() -> None:
    label = PlateLabel(Box(0, 0, 100, 20), "ab12", "gb", "clear")
    right = found_plates(answer((plate(box(0, 0, 100, 20), "ab12"), None), (plate(box(0, 0, 9, 9), "x"), None)))
    unsure = found_plates(answer((plate(box(0, 0, 100, 20), "ab12", score=0.5), None)))
    text = report.cut_outs(
        "Crops",
        [("some", label, right[0]), ("some", label, unsure[0]), ("other", label, None), ("other", label, right[1])],
    )
    assert "| all clear plates | 4 | 25.0 %" in text
    assert "| set some | 2 | 50.0 %" in text


def test_a_table_is_written_between_the_marks_of_its_program(tmp_path: Path) -> None:
    document = tmp_path / "models.md"
    marks = ["<!-- measured by `python -m training.{}`: begin -->\n{}\n<!-- measured: end -->\n"] * 2
    document.write_text("before\n" + "between\n".join(marks).format("one", "old", "other", "kept") + "after\n")
    tables.write(document, "new", "one")
    text = document.read_text()
    assert "old" not in text
    assert [line for line in text.splitlines() if line and "<" not in line] == [
        "before",
        "new",
        "between",
        "kept",
        "after",
    ]
    with pytest.raises(ValueError, match="no marks"):
        tables.write(document, "new", "third")


def test_vehicles_and_finds_count_by_their_size() -> None:
    labels = replace(
        photo(), vehicles=(VehicleLabel(Box(0, 0, 100, 80), "car"), VehicleLabel(Box(200, 0, 240, 30), "car"))
    )
    found = [box(0, 0, 100, 80), box(200, 0, 250, 30), box(300, 0, 400, 80), box(500, 0, 520, 20)]
    matched = match(labels, answer(*((None, {"box": where, "type": "Sedan", "score": 0.9}) for where in found)))
    # the second is found a little larger than labelled; the last is too small to count
    assert figures.vehicle_detection([matched], 48) == figures.DetectionFigures(1, 1.0, 2 / 3)


def test_the_rarest_classes_share_a_row() -> None:
    pictures = pytest.importorskip("training.evaluation.pictures", reason="needs matplotlib")
    pairs = [("a", "a"), ("a", "a"), ("a", "not named"), ("b", "b"), ("b", "c"), ("c", "b"), ("d", "e")]
    rows, columns, counts = pictures.confusion_matrix(pairs, most=2)
    assert (rows, columns) == (["a", "b", "others"], ["a", "b", "others", "not named"])
    assert counts == [[2, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0]]


def test_exact_match_and_character_error_rate() -> None:
    found = figures.reading_figures(
        [
            Reading("ab1", ("ab1", "ab2")),
            Reading("ab0", ("abo", "ab0")),
            Reading("xyz", ("xyy", "xya", "xyb", "xyz")),
            Reading("abc", ()),
        ]
    )
    assert found == figures.ReadingFigures(4, 0.25, 0.5, 0.5, 5 / 12)


def test_reliability_bins_hold_every_score_once() -> None:
    bins = figures.reliability([(0.1, False), (0.5, True), (0.5, False), (1.0, True)], (0, 0.5, 1.0))
    assert [(entry.count, entry.right) for entry in bins] == [(1, 0.0), (3, pytest.approx(2 / 3))]


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [("AB12", "gb", "ab12"), ("京PL3N67", "cn", "pl3n67"), ("AB?2", "gb", ""), ("", "gb", ""), ("京A", "jp", "")],
)
def test_labelled_texts_become_answers(text: str, region: str, expected: str) -> None:
    assert readable(text, region) == expected
