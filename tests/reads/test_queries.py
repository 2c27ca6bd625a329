"""What is found in an index, the same in SQLite and PostgreSQL."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import delete

from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2, reads_pb2
from reads import conditions, queries, tallies, writing
from reads.models import PLACES, Read

from .conftest import Asked, job, result

WILDCARD, NEAR = reads_pb2.PLATE_MATCH_WILDCARD, reads_pb2.PLATE_MATCH_NEAR


def test_a_read_has_what_was_seen(index: Asked) -> None:
    index.add(result(5, "ab12cde", make="Volkswagen", color="red"))
    [read] = index.search()["reads"]
    assert read == {
        "id": f"{job(5)}.0",
        "plate": "ab12cde",
        "camera_id": "gate",
        "time": "1970-01-01T00:00:05.000000Z",
        "score": 0.9,
        "dscore": 0.8,
        "region": {"code": "de", "score": 0.7},
        "vehicle": {
            "type": "Sedan",
            "make": "Volkswagen",
            "model": "Golf",
            "color": "red",
            "orientation": None,
            "direction": None,
        },
        "box": {"xmin": 1, "ymin": 2, "xmax": 31, "ymax": 12},
        "image": {"plate": f"/v1/results/{job(5)}.0/plate.webp", "vehicle": f"/v1/results/{job(5)}.0/vehicle.webp"},
        "correction": None,
        "watchlists": [],
        "seen_before": 0,
    }


def test_pages_go_back_in_time_of_the_pictures_whatever_came_when(index: Asked) -> None:
    index.add(*(result(second, f"p{second}") for second in (3, 1, 2, 6, 5, 4)))
    pages, cursor = [], ""
    while True:
        page = index.search(2, cursor)
        pages.append([read["plate"] for read in page["reads"]])
        if not (cursor := page["next"]):
            break
    assert pages == [["p6", "p5"], ["p4", "p3"], ["p2", "p1"]]
    assert index.search(6)["total"] == 6
    assert index.search(5)["total"] is None
    with pytest.raises(BadRequest, match="cursor"):
        index.search(5, "1-x")


def test_the_same_results_again_change_nothing(index: Asked) -> None:
    stored = [writing.Stored(7, result(1)), writing.Stored(8, result(2))]
    for _ in range(2):
        index.transact(writing.add, stored)
    assert len(index.search()["reads"]) == 2


def test_results_without_plates_are_no_reads_but_their_cameras_are_known(index: Asked) -> None:
    index.add(result(1, ""), result(9, "", camera=""), result(2, "a1", camera="yard"), result(3, "", camera="yard"))
    assert index.plates() == ["a1"]
    body = index.transact(queries.cameras, reads_pb2.ReadFilter())
    assert [(each["camera_id"], each["reads"]) for each in body["cameras"]] == [("yard", 1), ("gate", 0)]
    assert body["cameras"][0]["last_seen"] == "1970-01-01T00:00:03.000000Z"


PLATES = ("ab12cde", "abi2cde", "ab12cdx", "ab12cd", "xb12cde", "kx99", "zz123zz", "a8l2cde")


@pytest.mark.parametrize(
    ("plate", "match", "expected"),
    [
        ("ab12cde", 0, {"ab12cde"}),
        ("AB-12 CDE", 0, {"ab12cde"}),
        ("ab12", 0, set()),
        ("ab*", WILDCARD, {"ab12cde", "abi2cde", "ab12cdx", "ab12cd"}),
        ("AB-*", WILDCARD, {"ab12cde", "abi2cde", "ab12cdx", "ab12cd"}),
        ("*123*", WILDCARD, {"zz123zz"}),
        ("?b12*e", WILDCARD, {"ab12cde", "xb12cde"}),
        ("*b12*de*", WILDCARD, {"ab12cde", "xb12cde"}),
        ("kx99", WILDCARD, {"kx99"}),
        ("????", WILDCARD, {"kx99"}),
        ("*", WILDCARD, set(PLATES)),
        ("*qqq*", WILDCARD, set()),
        ("zz*%", WILDCARD, {"zz123zz"}),
        ("ab12cde", NEAR, {"ab12cde", "abi2cde", "ab12cdx", "ab12cd", "xb12cde", "a8l2cde"}),
        ("kx9", NEAR, {"kx99"}),
        ("kx", NEAR, None),
        ("---", NEAR, None),
    ],
)
@pytest.mark.parametrize("few", [conditions.FEW, 1])
def test_plates_are_found(
    index: Asked,
    monkeypatch: pytest.MonkeyPatch,
    plate: str,
    match: reads_pb2.PlateMatch,
    expected: set[str] | None,
    few: int,
) -> None:
    if match == WILDCARD:
        monkeypatch.setattr(conditions, "FEW", few)
    index.add(*(result(second, text) for second, text in enumerate(PLATES)))
    if expected is None:
        with pytest.raises(BadRequest, match="near"):
            index.search(plate=plate, match=match)
    else:
        assert set(index.plates(plate=plate, match=match)) == expected
        assert index.counts("region", plate=plate, match=match) == ({"de": len(expected)} if expected else {})


def test_what_is_wanted(index: Asked) -> None:
    index.add(
        result(1, "a1", camera="gate", region="de", make="Audi", color="red", score=0.5),
        result(2, "a2", camera="yard", region="fr", make="Audi", color="blue", type="Van"),
        result(3, "a1", camera="gate", region="fr"),
    )
    assert index.plates(camera_id="gate") == ["a1", "a1"]
    assert index.plates(camera_id="gate", region="fr") == ["a1"]
    assert index.plates(camera_id="nowhere") == []
    assert index.plates(make="Audi") == ["a2", "a1"]
    assert index.plates(color="blue", type="Van") == ["a2"]
    assert index.plates(score_min=0.6) == ["a1", "a2"]
    assert index.plates(after_us=2_000_000, before_us=3_000_000) == ["a2"]
    assert index.plates(first_seen=True) == ["a2", "a1"]
    assert [read["seen_before"] for read in index.search()["reads"]] == [1, 0, 0]


def test_an_account_sees_its_own(index: Asked) -> None:
    index.add(result(1, "a1", account="one"), result(2, "a2", account="two"), result(3, "a1", account="two"))
    assert index.plates(account="one") == ["a1"]
    assert index.plates(account="two") == ["a1", "a2"]
    assert index.plates(account="three") == []
    assert index.plates(account="one", plate="a2") == []
    assert index.plates(account="one", plate="a*", match=WILDCARD) == ["a1"]
    assert index.plates() == ["a1", "a2", "a1"]
    assert [read["seen_before"] for read in index.search(account="two")["reads"]] == [0, 0]
    assert index.counts("camera", account="one") == {"gate": 1}


def test_groups_and_counts(index: Asked) -> None:
    index.add(
        result(10, "a1", score=0.95, make="Audi"),
        result(4_000, "a1", camera="yard", score=0.42),
        result(90_000, "b2", score=1),
    )
    body = index.transact(queries.group, reads_pb2.ReadFilter(), reads_pb2.GroupReads(page_size=10))
    assert [(each["plate"], each["count"], each["cameras"]) for each in body["groups"]] == [
        ("b2", 1, ["gate"]),
        ("a1", 2, ["gate", "yard"]),
    ]
    assert body["groups"][1]["first"] == "1970-01-01T00:00:10.000000Z"
    assert index.counts("hour") == {"1970-01-01T00:00:00Z": 1, "1970-01-01T01:00:00Z": 1, "1970-01-02T01:00:00Z": 1}
    assert index.counts("day") == {"1970-01-01": 2, "1970-01-02": 1}
    assert index.counts("camera") == {"gate": 2, "yard": 1}
    assert index.counts("make") == {"Audi": 1, "": 2}
    assert index.counts("score") == {"0.4": 1, "0.9": 2}
    assert index.counts("new", plate="a1") == {"new": 1, "returning": 1}
    with pytest.raises(BadRequest, match="by must be"):
        index.counts("name")


def test_plates_seen_last_are_found_among_few_reads(index: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    index.add(*(result(second, plate) for second, plate in enumerate(("a1", "b1", "a1", "c1", "c1", "c1"), 1)))

    def groups(size: int) -> list[tuple[str, int]]:
        question = reads_pb2.GroupReads(page_size=size)
        body = index.transact(queries.group, reads_pb2.ReadFilter(account="everybody"), question)
        return [(each["plate"], each["count"]) for each in body["groups"]]

    for newest in (100, 4, 2):  # with two, the newest reads are of one plate
        monkeypatch.setattr(queries, "NEWEST", newest)
        assert groups(2) == [("c1", 3), ("a1", 2)]
        assert groups(9) == [("c1", 3), ("a1", 2), ("b1", 1)]


def test_counts_follow_what_comes_goes_and_is_corrected(index: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "EXPIRED_AT_ONCE", 50)
    chance = random.Random(1)
    seconds = sorted(chance.sample(range(10 * 86_400), 200))
    seen = [
        writing.Stored(
            number,
            result(
                second,
                f"a{chance.randrange(30)}",
                camera=chance.choice(("gate", "yard")),
                account=chance.choice(("one", "two")),
                make=chance.choice(("Audi", "Ford", "")),
                color="red",
                region=chance.choice(("de", "fr")),
                score=chance.random(),
            ),
        )
        for number, second in enumerate(seconds, 1)
    ]

    def same() -> None:
        for account in ("one", "two", ""):
            for after, before in (
                (None, None),
                (86_400, None),
                (None, 5 * 86_400),
                (100_000, 700_000),
                (90_000, 95_000),
            ):
                wanted = {
                    "account": account,
                    **({} if after is None else {"after_us": after * 1_000_000}),
                    **({} if before is None else {"before_us": before * 1_000_000}),
                }
                for by in tallies.COUNTED:
                    each_one = index.counts(by, score_min=0, **wanted)  # which tallies do not know
                    assert index.counts(by, **wanted) == each_one, (by, wanted)

    index.transact(writing.add, seen[:150])
    same()
    index.transact(writing.add, seen[100:])
    for number in range(0, 200, 5):
        name = f"{seen[number].result.recognition.id}.0"
        index.transact(writing.correct, name, {"region": "nl", "make": chance.choice(("Audi", "VW")), "plate": "b1"})
    same()
    index.transact(writing.correct, f"{seen[0].result.recognition.id}.0", None)
    same()
    assert index.transact(writing.expire, 120 * PLACES) == 50
    same()
    index.transact(lambda connection: connection.execute(delete(Read).where(Read.id < 60 * PLACES)))
    assert index.transact(writing.first_kept, 1, 100) == 101 * PLACES
    same()
    index.transact(writing.forget_all)
    assert index.counts("day") == {}


def test_the_stream_numbers_of_photographs(index: Asked) -> None:
    both = result(1, "a1")
    both.recognition.sightings.add().CopyFrom(domain_pb2.Sighting(plate=domain_pb2.Plate(text="a2")))
    index.add(both, result(2, "b1"), result(3, "a3"))

    def numbers(before: int = 0) -> list[int]:
        question = reads_pb2.FindResults(page_size=10, before=before)
        wanted = reads_pb2.ReadFilter(plate="a*", match=WILDCARD)
        found: list[int] = index.transact(queries.find_results, wanted, question)["numbers"]
        return found

    assert numbers() == [3, 1]
    assert numbers(3) == [1]


def test_what_expires_takes_its_plate_along(index: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "EXPIRED_AT_ONCE", 2)
    index.add(*(result(second, plate) for second, plate in enumerate(("a1", "b1", "a1", "c1"), 1)))
    assert index.transact(writing.expire, 4 * PLACES) == 2
    assert index.transact(writing.expire, 4 * PLACES) == 1
    assert index.transact(writing.expire, 4 * PLACES) == 0
    assert index.plates() == ["c1"]
    index.add(result(5, "b1"))
    assert index.plates(first_seen=True) == ["b1", "c1"]
    assert index.plates(plate="*b1*", match=WILDCARD) == ["b1"]


def test_what_a_person_says_is_found_and_what_was_read_is_shown(index: Asked) -> None:
    index.add(result(1, "ab12cde", make="VW", color="red"), result(2, "kx99"), result(3, "kx99", account="other"))
    name = f"{job(1)}.0"
    said = {"plate": "ab12cdf", "color": "blue", "accepted": True}
    index.transact(writing.correct, name, said)
    (read,) = index.search(plate="AB12CDF", color="blue")["reads"]
    assert (read["plate"], read["vehicle"]["color"], read["vehicle"]["make"]) == ("ab12cde", "red", "VW")
    assert read["correction"] == said
    assert index.plates(plate="ab12cde") == index.plates(color="red") == []
    assert index.plates(plate="*2cdf", match=WILDCARD) == ["ab12cde"]

    index.transact(writing.correct, name, {"plate": "kx99"})
    assert index.plates(plate="ab12cdf") == []
    assert index.plates(plate="kx99", account="everybody") == ["kx99", "ab12cde"]
    assert index.plates(color="red") == ["ab12cde"]

    index.transact(writing.correct, name, None)
    (read,) = index.search(plate="ab12cde")["reads"]
    assert read["correction"] is None
    assert index.plates(reviewed=True) == []


def test_a_correction_may_be_known_before_its_read_and_goes_with_it(index: Asked) -> None:
    name = f"{job(1)}.0"
    index.transact(writing.correct, name, {"plate": "b2"})
    index.add(result(1, "a1"))
    assert index.plates(plate="b2", reviewed=True) == ["a1"]
    index.transact(writing.expire, 2 * PLACES)
    index.transact(writing.forget_all)
    index.add(result(1, "a1"))
    assert index.plates(plate="a1") == ["a1"], "the correction has expired with the read"
    index.transact(writing.correct, name, {"plate": "b2"})
    index.transact(writing.forget_corrections)
    assert index.plates(plate="a1") == ["a1"]


def test_plates_that_were_looked_at_are_counted_by_camera(index: Asked) -> None:
    index.add(*(result(second, f"a{second}", camera="yard" if second > 3 else "gate") for second in range(1, 6)))
    index.add(result(6, "a6", account="other"))
    for second, said in {
        1: {"accepted": True},
        2: {"plate": "a2"},
        3: {"plate": "b3", "accepted": True},
        4: {"color": "red"},
        6: {"accepted": True},
    }.items():
        index.transact(writing.correct, f"{job(second)}.0", said)
    body = index.transact(queries.accuracy, reads_pb2.ReadFilter(account="everybody"))
    assert body == {"cameras": [{"camera_id": "gate", "reviewed": 3, "correct": 2}]}
    assert index.plates(account="everybody", reviewed=True) == ["a3", "a2", "a1"]


def test_corrections_are_counted_by_account(index: Asked) -> None:
    index.add(result(1, "a1"), result(2, "a2"), result(3, "a3", account="other"))
    for second, said in {1: {"color": "red"}, 2: {"plate": "b2"}, 3: {"accepted": True}, 4: {"accepted": True}}.items():
        index.transact(writing.correct, f"{job(second)}.0", said)

    def count(account: str) -> queries.Json:
        counted: queries.Json = index.transact(queries.corrections, reads_pb2.ReadFilter(account=account))
        return counted

    assert count("everybody") == {"corrections": 2}
    assert count("other") == {"corrections": 1}
    assert count("") == {"corrections": 3}
    assert count("nobody") == {"corrections": 0}
