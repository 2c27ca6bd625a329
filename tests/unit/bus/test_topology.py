from __future__ import annotations

import hashlib
import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from platelane.bus import topology
from platelane.bus.leaders import Place, spread
from platelane.bus.topology import Version
from platelane.runtime.settings import Settings

SETTINGS = Settings()
SERVERS = st.sampled_from(["n0", "n1", "n2"])


def divided(partitions: int) -> Settings:
    return SETTINGS.model_copy(update={"nats_partitions": partitions})


def test_definitions_change_with_their_version() -> None:
    """If this fails, raise `topology.VERSION`, decide about `OLDEST_SERVICE`, and put the new digest here."""
    streams = [stream.as_dict() for stream in topology.streams(divided(2))]
    consumers = [[stream, config.as_dict()] for stream, config in topology.consumers(divided(2))]
    written = json.dumps([streams, consumers], sort_keys=True).encode()

    assert (topology.VERSION, hashlib.sha256(written).hexdigest()[:16]) == (8, "5ce89494ced21538")


def test_one_partition_has_the_plain_names() -> None:
    assert topology.partitions(topology.JOBS, SETTINGS) == ["JOBS"]
    assert topology.DETECTOR.partitions(SETTINGS) == [topology.DETECTOR]


def test_only_streams_of_jobs_are_divided() -> None:
    assert topology.partitions(topology.PARTS, divided(3)) == ["PARTS", "PARTS_1", "PARTS_2"]
    assert topology.partitions(topology.RESULTS, divided(3)) == ["RESULTS"]
    assert [consumer.filter for consumer in topology.OCR.partitions(divided(2))] == [
        "platelane.crops.plates",
        "platelane.crops.plates.1",
    ]


def test_a_partition_belongs_to_its_stream() -> None:
    assert [topology.undivided(name) for name in ("JOBS", "JOBS_12", "PARTS_1")] == ["JOBS", "JOBS", "PARTS"]
    for other in ("HOOK_1", "KV_HOOKS", "JOBS_x", "JOBS_0", "JOBS_"):
        assert topology.undivided(other) == other


@given(st.text(), st.integers(1, 64))
def test_a_camera_has_one_partition(camera: str, partitions: int) -> None:
    found = {topology.partition_of(camera, job, divided(partitions)) for job in ("a", "b", "c")}
    assert all(0 <= partition < partitions for partition in found)
    assert len(found) == 1 or not camera


def test_jobs_without_a_camera_go_to_all_partitions() -> None:
    assert {topology.partition_of("", f"{job}", divided(4)) for job in range(100)} == {0, 1, 2, 3}


def test_partitions_together_hold_no_more_than_one_stream_would() -> None:
    def room(partitions: int, stream: str) -> int:
        configs = topology.streams(divided(partitions))
        return sum(config.max_msgs or 0 for config in configs if topology.undivided(str(config.name)) == stream)

    assert room(4, topology.JOBS) == room(1, topology.JOBS)


def test_work_and_what_is_kept_have_their_own_numbers_of_copies() -> None:
    settings = SETTINGS.model_copy(update={"nats_replicas": 3, "nats_work_replicas": 1})
    copies = {stream.name: stream.num_replicas for stream in topology.streams(settings)}
    assert {name for name, number in copies.items() if number == 1} == {
        "JOBS",
        "CROPS",
        "PARTS",
        "HANDED_BACK",
        "RATES",
    }
    assert set(copies.values()) == {1, 3}
    assert SETTINGS.model_copy(update={"nats_replicas": 3}).work_replicas == 3


def test_what_services_made_for_themselves_is_version_1() -> None:
    assert Version.of(None) == Version.of({"_nats.ver": "2.12"}) == Version(1, 1)
    [metadata] = {json.dumps(stream.metadata) for stream in topology.streams(SETTINGS)}
    assert Version.of(json.loads(metadata)) == Version(topology.VERSION, topology.OLDEST_SERVICE)


def test_every_service_requires_what_there_is() -> None:
    streams = {stream.name for stream in topology.streams(SETTINGS)}
    required = {each for service in topology.REQUIRED.values() for each in service}
    assert {each for each in required if isinstance(each, str)} <= streams
    assert {each for each in required if not isinstance(each, str)} == set(topology.CONSUMERS)


@given(st.lists(SERVERS, min_size=9, max_size=9))
def test_leaders_are_divided_among_servers_and_stay_there(leaders: list[str]) -> None:
    names = [name for stream in topology.WORK for name in topology.partitions(stream, divided(3))]
    servers = frozenset(("n0", "n1", "n2"))
    wanted = spread({name: Place(leader, servers) for name, leader in zip(names, leaders, strict=True)})

    for stream in topology.WORK:
        assert len({wanted[name] for name in names if topology.undivided(name) == stream}) == 3
    assert set(Counter(wanted.values()).values()) == {3}
    assert spread({name: Place(leader, servers) for name, leader in wanted.items()}) == wanted


def test_a_leader_is_one_of_the_servers_that_have_a_copy() -> None:
    places = {name: Place("n0", frozenset({"n0", "n1"})) for name in ("JOBS", "CROPS", "PARTS")}
    assert Counter(spread(places | {"JOBS_1": Place("n2", frozenset({"n2"}))}).values()) == {"n0": 2, "n1": 1, "n2": 1}
