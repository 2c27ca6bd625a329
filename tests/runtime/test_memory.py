"""The memory limit of a container, of either version of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from platelane.runtime import memory

GIB = 1 << 30
ALONE = {"proc/self/cgroup": "0::/\n"}


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (ALONE, None),
        (ALONE | {"sys/fs/cgroup/memory.max": "max\n"}, None),
        (ALONE | {"sys/fs/cgroup/memory.max": f"{GIB}\n"}, GIB),
        (
            {
                "proc/self/cgroup": "0::/system.slice/platelane.service\n",
                "sys/fs/cgroup/system.slice/memory.max": f"{GIB}\n",
                "sys/fs/cgroup/system.slice/platelane.service/memory.max": f"{2 * GIB}\n",
            },
            GIB,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB // 2}\n",  # all that the container sees
            },
            GIB // 2,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            None,
        ),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory.cgroup_limit(tmp_path) == limit


def test_the_budget_leaves_room_for_what_is_sent(tmp_path: Path) -> None:
    machine = memory.budget(tmp_path)
    assert machine > 0
    for name, text in (ALONE | {"sys/fs/cgroup/memory.max": f"{1 << 20}"}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.budget(tmp_path) == min(machine, 2 * (1 << 20) // 5)
