"""A worker in a process of its own: `python -m tests.bus.worker_process NAME stuck|quick`.

It prints the id of every job it begins. A stuck one never ends any.
"""

from __future__ import annotations

import asyncio
import sys

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.pb.v1.stages_pb2 import Job, Part
from platelane.runtime import service
from platelane.runtime.settings import Settings


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    async def handler(job: Job, _info: MessageInfo) -> None:
        print(job.context.id, flush=True)
        if sys.argv[2] == "stuck":
            await asyncio.sleep(3600)
        job_id = job.context.id
        await bus.publish(subjects.part(job_id, subjects.DETECTION), Part(context=job.context), f"{job_id}.detection")

    await Worker(bus, topology.DETECTOR, Job, handler, settings.in_flight).run(stop)


if __name__ == "__main__":
    service.run(sys.argv[1], main)
