"""Encrypted overlay networks, where the kernel has ESP: what is on the wire is ESP, and never anything else.

A tap on the cable of the first host hears every frame of a test from before its first endpoint until after its last.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import pytest

from fairlead.api.schema.discovered import discovered_json
from fairlead.core.drivers.overlay_underlay import SOURCES
from fairlead.core.overlay.esp import GENERATIONS, REQUEST_ID
from fairlead.effects.kernel import netns
from fairlead.engine.discovery.shown import ShownPeer, ShownService
from fairlead.model.swarm.cluster import IPSEC, EncryptionKey
from tests.effects.kernel.conftest import ip, run
from tests.engine.networking.frames import ethernet, listening, udp4, vxlan
from tests.engine.networking.hosts import PORT, Hosts, Node, hosts, inside, swarm_network

pytestmark = [
    pytest.mark.stock_kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

SECRET = swarm_network("red", options={"encrypted": ""})
RING = [EncryptionKey(IPSEC, number, f"{number:032x}") for number in range(1, 5)]
_ESP, _UDP, _IPV4 = 50, 17, 0x0800
MARKED = b"fairlead was here"
AGAIN = 30.0
"""Seconds in which all tables are there again."""


class Tap:
    """The IPv4 frames of a cable, by what they are: ESP, or VXLAN in clear."""

    def __init__(self) -> None:
        self.esp, self.clear = 0, list[bytes]()

    def hear(self, frame: bytes) -> None:
        if int.from_bytes(frame[12:14], "big") != _IPV4:
            return
        protocol, start = frame[23], 14 + 4 * (frame[14] & 15)
        if protocol == _ESP:
            self.esp += 1
        elif protocol == _UDP and int.from_bytes(frame[start + 2 : start + 4], "big") == PORT:
            self.clear.append(frame)


@contextmanager
def tapping(ns: str, link: str) -> Iterator[Tap]:
    tap = Tap()
    with netns.entered(ns):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((link, 3))
    wire.settimeout(0.2)
    going = True

    def listen() -> None:
        while going:
            try:
                tap.hear(wire.recv(65536))
            except TimeoutError:
                continue

    thread = Thread(target=listen)
    thread.start()
    try:
        yield tap
    finally:
        going = False
        thread.join()
        wire.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with hosts(tmp_path, 2) as made:
        if "esp" not in made.nodes[0].fabric.host.facts.features:
            pytest.skip("this kernel has no ESP")
        yield made


async def rekey(node: Node, newest: int) -> None:
    """The ring whose newest key is number `newest`; the one before it is the primary."""
    ring = [key for key in RING if newest - 3 < key.lamport <= newest]
    await node.overlays.keys(ring, newest - 1)


async def populate(pair: Hosts) -> None:
    a, b = pair.nodes
    await pair.ensure(SECRET)
    await a.put("web", red="10.0.1.5")
    await b.put("db", red="10.0.1.6")
    await pair.meet("red")


async def test_nothing_is_ever_clear(pair: Hosts) -> None:
    a, b = pair.nodes
    with tapping(pair.switch, "p1") as tap:
        await populate(pair)
        assert not a.reaches("web", "10.0.1.6"), "without keys there is silence"
        assert tap.esp == 0
        for node in pair.nodes:
            await rekey(node, 3)
        assert a.reaches("web", "10.0.1.6", 3)
        assert tap.esp >= 2
        assert ip("link", "show", "eth0", ns=a.ns("web"))[0]["mtu"] == 1416
        big = ("ping", "-c", "1", "-W", "3", "-M", "do", "-s", str(1416 - 28), "10.0.1.6")
        assert inside(a.ns("web"), *big).returncode == 0
        for node in pair.nodes:
            await node.check()
        run("ip", "xfrm", "policy", "flush", ns=a.place)
        assert not a.reaches("web", "10.0.1.6")
        run("ip", "xfrm", "state", "flush", ns=a.place)
        assert not a.reaches("web", "10.0.1.6")
        await a.reconcile.repair("a test flushed it")
        assert a.reaches("web", "10.0.1.6", 3)
        await b.stop("db")
        await a.stop("web")
        for node in pair.nodes:
            await node.overlays.release(SECRET.id)
        assert not list(await a.kernel.associations(REQUEST_ID))
        assert [policy.spi for policy in await a.kernel.policies(SOURCES)] == [0], "nothing but silence is left"
        await a.overlays.leave()
        assert not list(await a.kernel.policies(SOURCES))
    assert tap.clear == []


async def test_nothing_is_clear_while_somebody_flushes_all_tables(pair: Hosts) -> None:
    """Again and again, under packets all the time: with keys, without them, and with associations flushed as well."""
    a, _ = pair.nodes
    with tapping(pair.switch, "p1") as tap:
        await populate(pair)
        with chattering(a.ns("web")):
            await flush_often(a, "nft flush ruleset")
            for node in pair.nodes:
                await rekey(node, 3)
            await flush_often(a, "nft flush ruleset")
            assert tap.esp
            await flush_often(a, "nft flush ruleset; ip xfrm state flush")
        await a.reconcile.repair("a test flushed it")
        async with asyncio.timeout(AGAIN):
            while not a.reaches("web", "10.0.1.6"):  # noqa: ASYNC110 - the kernel tells nobody
                await asyncio.sleep(0.1)
    assert tap.clear == []


async def flush_often(node: Node, command: str) -> None:
    for _ in range(10):
        run("sh", "-c", command, ns=node.place)
        await asyncio.sleep(0.03)


@contextmanager
def chattering(ns: str) -> Iterator[None]:
    """Many flows to the other host, a packet each few milliseconds."""
    with netns.entered(ns):
        flows = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
    going = Event()

    def talk() -> None:
        while not going.wait(0.002):
            for flow in flows:
                with suppress(OSError):
                    flow.sendto(MARKED, ("10.0.1.6", 9))

    thread = Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        going.set()
        thread.join()
        for flow in flows:
            flow.close()


async def test_inspect_shows_how_it_stands(pair: Hosts) -> None:
    a, b = pair.nodes
    await populate(pair)
    assert (await shown(a, b))["Encryption"] == {"State": "down"}
    for node in pair.nodes:
        await rekey(node, 3)
    assert a.reaches("web", "10.0.1.6", 3)
    before = (await shown(a, b))["Encryption"]
    assert before["State"] == "established"
    assert {association.spi for association, _ in await a.kernel.associations(REQUEST_ID)} >= {int(before["SPI"], 16)}
    assert a.reaches("web", "10.0.1.6", 3)
    after = (await shown(a, b))["Encryption"]
    assert after["Packets"] > before["Packets"] > 0
    assert after["ReceivedBytes"] > before["ReceivedBytes"] > 84
    assert after["RejectedPackets"] == 0
    assert "Encryption" not in await shown(a, a)


async def shown(node: Node, peer: Node) -> dict[str, Any]:
    """One of the peers that `network inspect --verbose` shows on a node."""

    class Discovery:
        def peers(self, network_id: str) -> list[ShownPeer]:
            return [ShownPeer("0123456789ab", str(peer.address))]

        def services(self, network_id: str) -> list[ShownService]:
            return []

    network = node.state.network("red")
    found: Any = discovered_json(cast(Any, Discovery()), network.id, await node.overlays.ways(network))["Peers"]
    (only,) = found
    assert (only["Name"], only["IP"]) == ("0123456789ab", str(peer.address))
    return dict(only)


async def test_new_keys_lose_no_packet(pair: Hosts) -> None:
    a, b = pair.nodes
    await populate(pair)
    for node in pair.nodes:
        await rekey(node, 3)
    assert a.reaches("web", "10.0.1.6", 3)
    before = {association.spi for association, _ in await a.kernel.associations(REQUEST_ID)}
    with tapping(pair.switch, "p1") as tap, netns.entered(b.ns("db")):
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard.bind(("10.0.1.6", 9))
        heard.setblocking(False)
        with netns.entered(a.ns("web")):
            out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for number in range(200):
            out.sendto(number.to_bytes(4, "big"), ("10.0.1.6", 9))
            if number == 60:
                await rekey(a, 4)
            if number == 140:
                await rekey(b, 4)
        heard.setblocking(True)
        heard.settimeout(5)
        numbers = [int.from_bytes(heard.recv(4), "big") for _ in range(200)]
        out.close()
        heard.close()
    assert sorted(numbers) == list(range(200)), "a packet may overtake another, but none is lost"
    assert tap.clear == []
    after = {association.spi for association, _ in await a.kernel.associations(REQUEST_ID)}
    assert len(after) == 1 + 3 * GENERATIONS
    assert len(before & after) == 2 * GENERATIONS, (
        "two keys are understood before and after, and what is sent has another"
    )


async def test_a_clear_frame_does_not_enter(pair: Hosts) -> None:
    """CVE-2023-28841: not even from a node, nor while it is the network's only host."""
    a, b = pair.nodes
    await pair.ensure(SECRET)
    await a.put("web", red="10.0.1.5")
    for node in pair.nodes:
        await rekey(node, 3)
    mac = a.endpoint("web", "red").mac
    inner = ethernet("02:42:0a:00:01:06", mac, _IPV4, udp4("10.0.1.6", "10.0.1.5", MARKED))
    with listening(a.ns("web"), "eth0") as ear:
        with netns.entered(b.place), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(vxlan(SECRET.vnis[0], inner), (str(a.address), PORT))
        assert not ear.hears(MARKED, 2)


async def test_encryption_survives_the_daemon(pair: Hosts) -> None:
    a, _ = pair.nodes
    await populate(pair)
    for node in pair.nodes:
        await rekey(node, 3)
    with tapping(pair.switch, "p1") as tap:
        await a.die()
        assert pair.nodes[1].reaches("db", "10.0.1.5", 3)
        await a.start()
        assert a.reaches("web", "10.0.1.6", 3)
        await rekey(a, 3)
        assert a.reaches("web", "10.0.1.6", 3), "whom we sent to before is not forgotten before all have spoken"
        await pair.meet("red")
        assert a.reaches("web", "10.0.1.6", 3)
        await a.check()
    assert tap.clear == []
