"""Multicast and broadcast on overlay networks: carried to other hosts only where the network was made for it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fairlead.core.drivers.overlay_filter import STORM
from fairlead.effects.kernel import netns
from tests.engine.networking.hosts import Hosts, hosts, swarm_network

GROUP, ALL = "239.7.7.7", "10.0.1.255"
CARRIED = {"com.fairlead.overlay.multicast": "true"}


@pytest.fixture
async def three(host: None, tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts(tmp_path, 3) as made:
        yield made


async def populate(three: Hosts, options: dict[str, str]) -> list[str]:
    await three.ensure(swarm_network("red", options=options))
    for number, node in enumerate(three.nodes):
        await node.put(f"c{number}", red=f"10.0.1.{5 + number}")
    await three.meet("red")
    return [node.ns(f"c{number}") for number, node in enumerate(three.nodes)]


@contextmanager
def member(ns: str, own: str) -> Iterator[socket.socket]:
    with netns.entered(ns):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with made:
        made.bind(("", 7777))
        request = IPv4Address(GROUP).packed + IPv4Address(own).packed
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        made.settimeout(1)
        yield made


def speak(ns: str, target: str, times: int = 1) -> None:
    with netns.entered(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for _ in range(times):
            out.sendto(b"hello", (target, 7777))


def heard(ear: socket.socket, patience: float) -> int:
    ear.settimeout(patience)
    count = 0
    try:
        while ear.recv(16):
            count += 1
    except TimeoutError:
        return count
    return count


@pytest.mark.parametrize("target", [GROUP, ALL])
async def test_all_hosts_hear_once_where_it_is_carried(three: Hosts, target: str) -> None:
    speaker, *listeners = await populate(three, CARRIED)
    with member(listeners[0], "10.0.1.6") as one, member(listeners[1], "10.0.1.7") as other:
        speak(speaker, target)
        assert (heard(one, 0.5), heard(other, 0.5)) == (1, 1)
    for node in three.nodes:
        await node.check()


async def test_it_is_not_carried_by_default(three: Hosts) -> None:
    speaker, *listeners = await populate(three, {})
    with member(listeners[0], "10.0.1.6") as one:
        speak(speaker, ALL)
        assert heard(one, 0.3) == 0


async def test_a_storm_is_held_down(three: Hosts) -> None:
    speaker, *listeners = await populate(three, CARRIED)
    with member(listeners[0], "10.0.1.6") as one:
        one.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)
        speak(speaker, GROUP, 6 * STORM)
        assert 0 < heard(one, 0.5) < 3 * STORM


async def test_who_has_nobody_left_gets_no_copies(three: Hosts) -> None:
    await populate(three, CARRIED)
    a, b, _ = three.nodes
    await b.stop("c1")
    await three.meet("red")
    home = str(a.config.netns_dir / "1-red0123456")
    remotes = {entry.remote for entry in await a.kernel.stations(home) if hasattr(entry, "remote")}
    assert remotes == {three.nodes[2].address}
