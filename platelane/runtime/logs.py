"""Structured logs: one line an event, with the service and, inside a job, the ids of the job and its trace.

log = structlog.get_logger(__name__)
with logs.job(context.id):
    log.info("detected", plates=2)
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from platelane.runtime.settings import Settings
from platelane.runtime.tracing import log_trace_id


def configure(service: str, settings: Settings) -> None:
    """Send the logs of this process and its libraries to standard error, in the format of the settings."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        log_trace_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if settings.log_format == "json":
        rendering: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # rich's tracebacks take so long that they would block the event loop
        plain = structlog.dev.plain_traceback
        rendering = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for library in ("httpx", "httpcore"):  # they log the URL of every request, which may contain secrets
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


@contextmanager
def job(job_id: str) -> Iterator[None]:
    """Every log line of this task carries the job's id until the block is left."""
    with structlog.contextvars.bound_contextvars(job=job_id):
        yield
