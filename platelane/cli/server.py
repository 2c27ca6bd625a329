"""Which server the commands talk to."""

from __future__ import annotations

from platelane.settings import Settings
from platelane.supervisor import state


def running_server() -> str:
    """Where the gateway of this machine is: by the state file of `platelane up` if one is, else by the settings."""
    settings = Settings()
    running = state.read(settings.state_dir.expanduser())
    return running.url if running else f"http://127.0.0.1:{settings.port}"
