from __future__ import annotations

import socket

from platelane.local.ports import LOOPBACK, Ports


def test_a_usual_port_is_used_when_it_is_free() -> None:
    usual = Ports().take()
    ports = Ports()
    assert ports.take(usual) == usual
    assert ports.moved == {}


def test_a_taken_port_is_replaced_and_remembered() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        usual = other.getsockname()[1]
        ports = Ports()
        port = ports.take(usual)
    assert port != usual
    assert ports.moved == {usual: port}


def test_no_port_is_given_twice() -> None:
    ports = Ports()
    first = ports.take()
    assert ports.take(first) != first
    assert len({ports.take() for _ in range(50)}) == 50
