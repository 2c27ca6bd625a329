"""Waiting for the end of processes that are not children of the test."""

from __future__ import annotations

import time

import psutil


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all have ended within that time; a zombie has, it only waits for an init that may not care."""
    deadline = time.monotonic() + seconds
    while any(_runs(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
