"""Nobody on an overlay network speaks in another's name, and nobody outside speaks on it at all."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from fairlead.core.drivers.overlay_filter import link_local
from fairlead.core.drivers.overlay_options import ROUTER
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.attributes import mac_bytes
from fairlead.model.errors import Invalid
from tests.effects.kernel.conftest import run
from tests.engine.networking import frames
from tests.engine.networking.frames import BROADCAST, arp, ethernet, icmp6, listening, send, udp4
from tests.engine.networking.hosts import Hosts, Node, addressed, hosts, namespace, plug, swarm_network

EVIL, VICTIM, FAR = "10.0.1.5 fd00:1::5", "10.0.1.6 fd00:1::6", "10.0.1.7 fd00:1::7"
EVIL_MAC, VICTIM_MAC, FAR_MAC = "02:42:0a:00:01:05", "02:42:0a:00:01:06", "02:42:0a:00:01:07"
MARK = b"fairlead was here"
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
STRANGER = "02:42:0a:00:01:63"


@pytest.fixture
async def pair(host: None, tmp_path: Path) -> AsyncIterator[Hosts]:
    """`evil` and `victim` on the first host, `far` on the second."""
    async with hosts(tmp_path, 2) as made:
        a, b = made.nodes
        await made.ensure(swarm_network("red", "10.0.1.0/24 fd00:1::/64"))
        await a.put("evil", red=EVIL)
        await a.put("victim", red=VICTIM)
        await b.put("far", red=FAR)
        await made.meet("red")
        yield made


def mac(node: Node, container: str) -> str:
    return node.endpoint(container, "red").mac


def payload(source: str = "10.0.1.5", target: str = "10.0.1.6") -> bytes:
    return udp4(source, target, MARK)


def advertisement(kind: int, source: str, about: str) -> bytes:
    """With the mark as its last bytes; a router's or a neighbour's."""
    body = bytes(12) if kind == 134 else bytes(4) + IPv6Address(about).packed
    padded = body + MARK + bytes(-len(MARK) % 2)
    return icmp6(source, "ff02::1", kind, padded)


OWN_LINK_LOCAL = str(link_local(EVIL_MAC))
HONEST: dict[str, Callable[[], bytes]] = {
    "own addresses": lambda: ethernet(EVIL_MAC, VICTIM_MAC, _IPV4, payload()),
    "asks for an address": lambda: ethernet(
        EVIL_MAC, BROADCAST, _ARP, arp(1, EVIL_MAC, "10.0.1.5", "00:00:00:00:00:00", "10.0.1.6") + MARK
    ),
    "advertises itself": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, advertisement(136, "fd00:1::5", "fd00:1::5")
    ),
    "advertises its link-local address": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, advertisement(136, OWN_LINK_LOCAL, OWN_LINK_LOCAL)
    ),
}
FORGED: dict[str, Callable[[], bytes]] = {
    "another's hardware address": lambda: ethernet(FAR_MAC, VICTIM_MAC, _IPV4, payload()),
    "nobody's hardware address": lambda: ethernet(STRANGER, VICTIM_MAC, _IPV4, payload()),
    "another's IPv4 address": lambda: ethernet(EVIL_MAC, VICTIM_MAC, _IPV4, payload("10.0.1.7")),
    "the gateway's address": lambda: ethernet(EVIL_MAC, VICTIM_MAC, _IPV4, payload("10.0.1.1")),
    "another's IPv6 address": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, icmp6("fd00:1::7", "ff02::1", 128, bytes(4) + MARK + b"\0")
    ),
    "answers ARP for another": lambda: ethernet(
        EVIL_MAC, VICTIM_MAC, _ARP, arp(2, EVIL_MAC, "10.0.1.7", VICTIM_MAC, "10.0.1.6") + MARK
    ),
    "answers ARP with another's hardware address": lambda: ethernet(
        EVIL_MAC, VICTIM_MAC, _ARP, arp(2, FAR_MAC, "10.0.1.5", VICTIM_MAC, "10.0.1.6") + MARK
    ),
    "advertises another": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, advertisement(136, "fd00:1::5", "fd00:1::7")
    ),
    "advertises itself as a router": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, advertisement(134, OWN_LINK_LOCAL, "")
    ),
    "redirects": lambda: ethernet(
        EVIL_MAC, "33:33:00:00:00:01", _IPV6, advertisement(137, OWN_LINK_LOCAL, "fd00:1::7")
    ),
    "a protocol that is not spoken here": lambda: ethernet(EVIL_MAC, VICTIM_MAC, 0x88CC, MARK),
}


def readdressed(frame: bytes, target: str) -> bytes:
    """To `target` if it was to the victim alone."""
    return mac_bytes(target) + frame[6:] if frame.startswith(mac_bytes(VICTIM_MAC)) else frame


@pytest.mark.parametrize("kind", HONEST)
async def test_what_is_true_passes(pair: Hosts, kind: str) -> None:
    a, _ = pair.nodes
    assert (mac(a, "evil"), mac(a, "victim")) == (EVIL_MAC, VICTIM_MAC)
    with listening(a.ns("victim"), "eth0") as ear:
        send(a.ns("evil"), "eth0", HONEST[kind]())
        assert ear.hears(MARK, 2)


async def test_what_is_forged_does_not(pair: Hosts) -> None:
    a, b = pair.nodes
    with listening(a.ns("victim"), "eth0") as near, listening(b.ns("far"), "eth0") as far:
        for make in FORGED.values():
            for target in (VICTIM_MAC, FAR_MAC):
                send(a.ns("evil"), "eth0", readdressed(make(), target))
        heard = [near.frame(MARK), far.frame(MARK)]
    assert heard == [None, None]


async def test_a_router_may_pass_on_what_others_send_and_nothing_else(pair: Hosts) -> None:
    """`--network name=red,driver-opt=com.fairlead.overlay.router=true`"""
    a, b = pair.nodes
    spec = replace(addressed("10.0.1.9 fd00:1::9"), driver_opts={ROUTER: "true"})
    await a.run("router", "red", endpoints={"red": spec})
    own = mac(a, "router")
    with listening(a.ns("victim"), "eth0") as near, listening(b.ns("far"), "eth0") as far:
        for ear, target, address in ((near, VICTIM_MAC, "10.0.1.6"), (far, FAR_MAC, "10.0.1.7")):
            passed = payload("192.0.2.7", address)
            send(a.ns("router"), "eth0", ethernet(own, target, _IPV4, passed))
            assert ear.hears(MARK, 2)
            send(a.ns("router"), "eth0", ethernet(STRANGER, target, _IPV4, passed))
            send(a.ns("router"), "eth0", ethernet(own, target, _ARP, arp(1, own, "10.0.1.6", own, "10.0.1.7") + MARK))
            send(a.ns("evil"), "eth0", ethernet(EVIL_MAC, target, _IPV4, passed))
        assert [near.frame(MARK), far.frame(MARK)] == [None, None]


async def test_a_router_that_is_none_or_one_is_refused(pair: Hosts) -> None:
    spec = replace(addressed("10.0.1.9 fd00:1::9"), driver_opts={ROUTER: "perhaps"})
    with pytest.raises(Invalid, match=ROUTER):
        await pair.nodes[0].run("router", "red", endpoints={"red": spec})


async def test_broadcast_stays_on_the_host(pair: Hosts) -> None:
    a, b = pair.nodes
    everybody = ethernet(EVIL_MAC, BROADCAST, _IPV4, payload(target="255.255.255.255"))
    with listening(a.ns("victim"), "eth0") as near, listening(b.place, "eth0") as wire:
        send(a.ns("evil"), "eth0", everybody)
        assert near.hears(MARK, 2)
        assert not wire.hears(MARK)


def inject(ns: str, target: str, source: str | None = None, vni: int = 4097) -> None:
    """A frame for `evil`, from outside, as though it came out of a node's VXLAN."""
    inner = ethernet(FAR_MAC, EVIL_MAC, _IPV4, payload("10.0.1.7", "10.0.1.5"))
    with netns.entered(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        if source:
            out.bind((source, 0))
        out.sendto(frames.vxlan(vni, inner), (target, 4789))


@pytest.mark.parametrize(
    ("place", "heard"), [(lambda made, _: made.nodes[1].place, True), (lambda _, stranger: stranger, False)]
)
async def test_vxlan_is_taken_from_nodes_alone(
    pair: Hosts, tmp_path: Path, place: Callable[[Hosts, str], str], heard: bool
) -> None:
    a, _ = pair.nodes
    stranger = tmp_path / "hosts" / "stranger"
    plug(pair.switch, namespace(stranger), 9)
    run("ping", "-c", "1", "-W", "1", str(a.address), ns=str(stranger))
    with listening(a.ns("evil"), "eth0") as ear:
        inject(place(pair, str(stranger)), str(a.address))
        assert ear.hears(MARK, 2 if heard else 0.3) is heard


async def test_a_removed_node_is_a_stranger(pair: Hosts) -> None:
    a, b = pair.nodes
    await a.overlays.peers(())
    a.overlays.remote_gone(a.state.network("red").id, b.endpoint("far", "red").id)
    await a.overlays.peers(())
    with listening(a.ns("evil"), "eth0") as ear:
        inject(b.place, str(a.address))
        assert not ear.hears(MARK)
