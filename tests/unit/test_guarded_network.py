"""Which addresses callers may name."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest

from platelane.errors import ForbiddenAddress
from platelane.runtime.guarded_network import GuardedNetwork, is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00::5eff:808:808"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "network",
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "168.63.129.16/32",
        "161.26.0.0/16",
        "166.8.0.0/14",
        "35.199.192.0/19",
        "192.80.8.124/32",
        "199.36.153.4/30",
        "199.36.153.8/30",
        "100.100.100.200/32",
        "192.0.0.0/24",
        "192.0.0.192/32",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:127.0.0.0/104",
        "::ffff:168.63.129.16/128",
        "::ffff:10.0.0.0/104",
        "64:ff9b::10.0.0.0/104",
        "64:ff9b::168.63.129.16/128",
        "::ffff:0:127.0.0.0/104",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2001:db8::/32",
        "2002::/16",
        "2001:20::/28",
        "2a00::5efe:7f00:1/128",
        "2a00::200:5efe:a9fe:a9fe/128",
        "3fff::/20",
        "5f00::/16",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ],
)
def test_special_networks_are_not_public(network: str) -> None:
    block = ip_network(network)
    for address in (block[0], block[min(1, block.num_addresses - 1)], block[block.num_addresses // 2], block[-1]):
        assert not is_public(address), address


def test_sockets_are_made_for_public_addresses_and_allowed_networks_alone() -> None:
    network = GuardedNetwork([ip_network("127.0.0.0/8")])
    for allowed in ("8.8.8.8", "127.0.0.1"):
        network.socket_to((socket.AF_INET, socket.SOCK_STREAM, 0, "", (allowed, 80))).close()
    # the last two are spellings that a connection would resolve anew
    for forbidden in ("10.0.0.1", "0.0.0.0", "2130706433", "localhost"):
        with pytest.raises(ForbiddenAddress):
            network.socket_to((socket.AF_INET, socket.SOCK_STREAM, 0, "", (forbidden, 80)))
    with pytest.raises(ForbiddenAddress):
        network.socket_to((socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("fe80::1%lo", 80, 0, 1)))
