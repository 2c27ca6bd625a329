"""Start with `python -m reads`."""

from __future__ import annotations

import asyncio

from platelane.bus import Bus, questions
from platelane.runtime import priority, service
from platelane.runtime.settings import Settings
from reads.engine import open_engine
from reads.index import Index
from reads.schema import migrate


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Keep the index of reads, and answer questions about it, until `stop` is set."""
    engine = open_engine(settings.reads_address)
    try:
        await asyncio.to_thread(migrate, engine)
        index = Index(bus, engine)
        filling = asyncio.create_task(index.run(stop))
        filled = asyncio.create_task(index.complete.wait())
        await asyncio.wait((filling, filled), return_when=asyncio.FIRST_COMPLETED)
        filled.cancel()
        async with questions.answering(bus, index.ask):  # not before: half an index would give wrong answers
            await filling
    finally:
        engine.dispose()


if __name__ == "__main__":
    priority.step_back()
    service.run("reads", main)
