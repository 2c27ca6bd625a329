"""The process that services are forked from: `python -m platelane.local.fork_server_process FD PACKAGE...`.

It imports once what the services import. Each of them then starts within milliseconds and shares these pages with the
others; a Python interpreter of its own would take half a second of processor time and about 20 MB more.

The socket FD carries orders to start a service, each with the file descriptor of its log, and reports about services
that have started or ended. The services end with this process.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Final, Never

import setproctitle

from platelane.local.fork_server import LONGEST_MESSAGE, Order, Report
from platelane.local.parent_death import die_with

_MAIN: Final = "__main__"


def main() -> None:
    """Fork services until the supervisor closes the socket."""
    parent = os.getpid()
    control = socket.socket(fileno=int(sys.argv[1]))
    for package in sys.argv[2:]:
        importlib.import_module(f"{package}.{_MAIN}")
        del sys.modules[f"{package}.{_MAIN}"]  # a child runs it, as its main program
    gc.collect()
    gc.freeze()  # a collection in a child would write to every page that it shares
    setproctitle.setproctitle("platelane: fork server")
    ends, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    sources: tuple[socket.socket | int, ...] = (control, ends)
    while True:
        readable, _, _ = select.select(sources, [], [])
        if ends in readable:
            os.read(ends, LONGEST_MESSAGE)
            for report in _ended():
                control.send(report.encoded())
        if control in readable:
            data, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 1)
            if not data:
                return
            if os.fork() == 0:
                os.close(ends)
                os.close(wakes)
                _serve(Order.decoded(data), descriptors[0], control, parent)
            os.close(descriptors[0])


def _ended() -> Iterator[Report]:
    """The children that have ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield Report(pid, os.waitstatus_to_exitcode(status))


def _serve(order: Order, log: int, control: socket.socket, parent: int) -> Never:
    """Run the service in the child, and exit."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    die_with(parent)
    for standard in (sys.stdout, sys.stderr):
        os.dup2(log, standard.fileno())
    os.close(log)
    os.environ.update(order.environment)
    setproctitle.setproctitle(f"platelane: {order.name}")
    with control:
        control.send(
            Report(os.getpid()).encoded()
        )  # only now, because the supervisor may signal the session once it has this
    sys.argv = [order.package]
    runpy.run_module(order.package, run_name=_MAIN, alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
