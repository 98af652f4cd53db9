"""Traces over an overlay network of two hosts with real gossip: what is seen of the other host, and what is not.

host1 192.168.60.11: a 10.0.1.11, c 10.0.1.13        host2 192.168.60.12: b 10.0.1.12
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.effects.wire.probing import probe
from fairlead.effects.wire.sights import LinuxSights
from fairlead.engine.fabric.expectation import Expectation
from fairlead.engine.trace.ends import Asked
from fairlead.engine.trace.tracer import Tracer
from fairlead.model.network import Address
from fairlead.model.plan import AddFdb, DelFdb, Plan
from fairlead.model.scene import Scene
from fairlead.model.trace import DROPPED, REACHES, UNSURE, Trace
from tests.effects.kernel.conftest import run
from tests.engine.discovery.town import ATT, Town, town, within
from tests.engine.networking.hosts import Node

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PATIENCE, SHORT = 60.0, 0.4


class Seen(LinuxSights):
    """Looks from a host of the town, which is not where the threads of the test are."""

    def __init__(self, node: Node, patience: float) -> None:
        self._place, self._patience = node.place, patience

    async def scene(self, ns: str, known: Sequence[str]) -> Scene:
        seen = await super().scene(ns or self._place, [each or self._place for each in known])
        links = {
            name: replace(link, peer_ns="" if link.peer_ns == self._place else link.peer_ns)
            for name, link in seen.links.items()
        }
        return replace(seen, ns=ns, links=links)

    async def probe(self, ns: str, destination: Address, protocol: str, port: int) -> str:
        return await asyncio.to_thread(probe, ns or self._place, destination, protocol, port, self._patience)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path, 2) as made:
        await made[0].put("a", att="10.0.1.11")
        await made[0].put("c", att="10.0.1.13")
        await made[1].put("b", att="10.0.1.12")
        await made.agree(PATIENCE)
        yield made


async def trace(made: Town, source: str, target: str, send: float = 0) -> Trace:
    """With `send` seconds a real packet waits that long for its answer."""
    tracer = Tracer(made[0].fabric, Seen(made[0], send), made.discovery(made[0]).silent)
    return await tracer.trace(Asked(source, target), bool(send))


async def test_what_another_host_does_is_not_guessed_but_tried(pair: Town) -> None:
    near = await trace(pair, "a", "c", send=PATIENCE)
    assert (near.verdict, near.agrees) == (REACHES, True)
    far = await trace(pair, "a", "b")
    assert far.verdict == UNSURE
    assert "node 192.168.60.12 is heard" in far.told
    assert any("is behind the node 192.168.60.12" in hop.told for hop in far.hops)
    assert any("192.168.60.12:4789" in hop.told for hop in far.hops)
    assert (await trace(pair, "a", "b", send=PATIENCE)).verdict == REACHES
    pair.cut(pair[1])
    assert (await trace(pair, "a", "10.0.1.12", send=SHORT)).verdict == DROPPED


async def test_entries_and_rules_on_the_way_to_another_host(pair: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> None:
        """In place of the repair, which would be done before anybody could ask."""

    monkeypatch.setattr(pair[0].reconcile, "_answer", hang)
    home = next(Expectation(pair[0].fabric).namespaces())
    stations = await pair[0].kernel.stations(home)
    led = next(entry for entry in stations if isinstance(entry, AddFdb) and str(entry.remote) == "192.168.60.12")
    run("nft", "add table inet other; add chain inet other o { type filter hook output priority 0; }", ns=pair[0].place)
    run("nft", "add rule inet other o udp dport 4789 drop", ns=pair[0].place)
    stopped = await trace(pair, "a", "b", send=SHORT)
    assert (stopped.verdict, stopped.agrees) == (DROPPED, True)
    assert "the tunnel: output: dropped" in stopped.told
    run("nft", "delete table inet other", ns=pair[0].place)
    await pair[0].kernel.apply(Plan((DelFdb(led.link, led.mac, led.remote, home),)))
    lost = await trace(pair, "a", "b", send=SHORT)
    assert (lost.verdict, lost.agrees) == (DROPPED, True)
    assert "for which there is no node (b on another node)" in lost.told


async def test_a_virtual_address_stands_for_all_its_backends(pair: Town) -> None:
    for number, (node, address) in enumerate(((pair[0], "10.0.1.13"), (pair[1], "10.0.1.12")), start=1):
        await pair.discovery(node).announce(ATT.id, pair.task(node, "web", number, address))
    await within(PATIENCE, lambda: pair.resolve(pair[0], "a", "tasks.web") == {"10.0.1.12", "10.0.1.13"})
    await pair.discovery(pair[0]).settled()
    asked = await trace(pair, "a", "web")
    assert any("10.0.1.2 stands for 2 backends" in hop.told for hop in asked.hops)
    assert asked.verdict == UNSURE
    assert "it depends on the backend" in asked.told
    await pair.discovery(pair[1]).withdraw(ATT.id, "web2")
    await within(PATIENCE, lambda: pair.resolve(pair[0], "a", "tasks.web") == {"10.0.1.13"})
    await pair.discovery(pair[0]).settled()
    alone = await trace(pair, "a", "web", send=PATIENCE)
    assert (alone.verdict, alone.agrees) == (REACHES, True)
