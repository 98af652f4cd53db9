"""Who may talk on overlay networks does, and nobody else: across networks, tenants and hosts, in spite of forgery.

outside (.1) ── lan 192.168.50.0/24 ──┬── a (.11, manager)   r1 (evil)  r2 (victim)  b1         i1  both (red, blue)
                                      └── b (.12, worker)    r3 (far)                b2         i2
                                                             └── red ──┘             └ blue ┘   └ inside (internal)
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_interface

import pytest

from fairlead.effects.kernel import netns
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.services import WORLD
from fairlead.lab.topology import simple
from tests.engine.networking import frames
from tests.engine.networking.frames import ethernet, listening, send, udp4
from tests.engine.networking.test_overlay_forgery import (
    EVIL_MAC,
    FAR_MAC,
    FORGED,
    HONEST,
    MARK,
    VICTIM_MAC,
    readdressed,
)
from tests.scenarios.overlay_truth import Station, ask, everywhere, http, inside, resolved, seen_from_here
from tests.support import images
from tests.support.answering import Answerers, answerers, ask_by_datagram
from tests.support.answering import ask as ask_by_connection
from tests.support.machines import laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

PORT = 7000
SHORTLY = 0.4
NETWORKS = {"red": (1, ""), "blue": (2, ""), "inside": (3, "--internal")}
PLACES = {
    "r1": ("a", "red"),
    "r2": ("a", "red"),
    "r3": ("b", "red"),
    "b1": ("a", "blue"),
    "b2": ("b", "blue"),
    "i1": ("a", "inside"),
    "i2": ("b", "inside"),
    "both": ("a", "red"),
}
ADDRESSES = {"r1": 5, "r2": 6, "r3": 7}
"""As `test_overlay_forgery` has them."""
MEMBERS = {"red": {"r1", "r2", "r3", "both"}, "blue": {"b1", "b2", "both"}, "inside": {"i1", "i2"}}


@dataclass
class Street:
    """`ns` has each container's namespace, `addresses` each one's addresses by network ("" is the way out)."""

    hosts: list[Machine]
    outside: str
    ns: dict[str, str]
    addresses: dict[str, dict[str, list[str]]]
    served: Answerers

    def host_of(self, name: str) -> str:
        return PLACES[name][0]


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b"], roles={"a": "manager", "b": "worker"})) as made:
        made.form_swarm()
        for host in made.hosts():
            images.provide(host, "nginx", "busybox")
        yield made


@pytest.fixture(scope="module")
def street(lab: Laboratory) -> Iterator[Street]:
    a = lab.host("a")
    for name, (number, flags) in NETWORKS.items():
        subnets = f"--subnet 10.0.{number}.0/24 --ipv6 --subnet fd00:{number}::/64"
        a.docker(f"network create -d overlay --attachable {flags} {subnets} {name}")
    for name, (host, network) in PLACES.items():
        last = ADDRESSES.get(name)
        asked = f"--ip 10.0.1.{last} --ip6 fd00:1::{last}" if last else ""
        lab.host(host).docker(f"run -d --net {network} {asked} --name {name} busybox sleep 1d")
    a.docker("network connect blue both")
    found: dict[str, dict[str, Station]] = {name: {} for name in PLACES}
    for network in NETWORKS:
        for station in everywhere(lab.hosts("a", "b"), network):
            found[station.name][network] = station
    ns = {name: next(iter(stations.values())).ns for name, stations in found.items()}
    with answerers() as served:
        for name, place in ns.items():
            served.serve(name, place, PORT)
        outside = f"/proc/{lab.node('outside').pid}/ns/net"
        yield Street(lab.hosts("a", "b"), outside, ns, {name: _addresses(each) for name, each in found.items()}, served)


def _addresses(stations: dict[str, Station]) -> dict[str, list[str]]:
    addresses = {network: list(station.addresses) for network, station in stations.items()}
    shown = inside(next(iter(stations.values())).ns, "ip", "-o", "-4", "addr", "show").split()
    all4 = {str(ip_interface(word).ip) for word in shown if "/" in word and word[0].isdigit()}
    known = {address for each in addresses.values() for address in each}
    return {**addresses, "": sorted(all4 - known - {"127.0.0.1"})}


# --- who may talk to whom -----------------------------------------------------------------------------


def tcp(ns: str, address: str) -> bool:
    return _answers(lambda: ask_by_connection(ns, address, PORT, SHORTLY))


def udp(ns: str, address: str) -> bool:
    return _answers(lambda: ask_by_datagram(ns, address, PORT, SHORTLY))


def icmp(ns: str, address: str) -> bool:
    line = ["nsenter", f"--net={ns}", "ping", "-c", "1", "-W", str(SHORTLY), address]
    return subprocess.run(line, capture_output=True, check=False, timeout=20).returncode == 0


def _answers(asking: Callable[[], object]) -> bool:
    try:
        asking()
    except OSError:
        return False
    return True


WAYS: dict[str, Callable[[str, str], bool]] = {"tcp": tcp, "udp": udp, "icmp": icmp}


def questions(street: Street) -> Iterator[tuple[str, str, str, bool]]:
    """(who, whom, at which address, whether it may). The way out of another host's container may have the address of
    one of ours, so it is tried on the same host alone."""
    for one in PLACES:
        for other, addresses in street.addresses.items():
            for network, found in addresses.items():
                if one == other or (not network and street.host_of(one) != street.host_of(other)):
                    continue
                for address in found:
                    yield one, other, address, one in MEMBERS.get(network, ()) and other in MEMBERS[network]


@pytest.mark.parametrize("way", WAYS)
def test_every_pair_that_may_talk_does_and_no_other(street: Street, way: str) -> None:
    asked = list(questions(street))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda each: WAYS[way](street.ns[each[0]], each[2]), asked))
    wrong = [(*each, answer) for each, answer in zip(asked, answers, strict=True) if each[3] != answer]
    assert not wrong
    assert len(asked) > 80
    assert sum(may for *_, may in asked) > 30


def test_the_host_reaches_no_container_of_an_overlay_network(street: Street) -> None:
    for host in street.hosts:
        for name in ("r1", "r3", "i1"):
            for address in street.addresses[name][PLACES[name][1]]:
                assert not tcp(f"/proc/{host.node.pid}/ns/net", address)


# --- forgery ------------------------------------------------------------------------------------------


def test_a_privileged_container_speaks_in_nobody_elses_name(street: Street) -> None:
    with listening(street.ns["r2"], "eth0") as near, listening(street.ns["r3"], "eth0") as far:
        for make in FORGED.values():
            for target in (VICTIM_MAC, FAR_MAC):
                send(street.ns["r1"], "eth0", readdressed(make(), target))
        assert (near.frame(MARK), far.frame(MARK)) == (None, None)
        send(street.ns["r1"], "eth0", HONEST["own addresses"]())
        assert near.hears(MARK, 2)


def vnis(host: Machine, network: str) -> int:
    options = ask(host, f"/networks/{network}")["Options"]
    return int(options["com.docker.network.driver.overlay.vxlanid_list"].split(",")[0])


def inject(ns: str, target: str, vni: int) -> None:
    """A frame to `r1` from `r3`, as though it came out of a node's VXLAN."""
    inner = ethernet(FAR_MAC, EVIL_MAC, 0x0800, udp4("10.0.1.7", "10.0.1.5", MARK))
    with netns.entered(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(frames.vxlan(vni, inner), (target, 4789))


def test_vxlan_frames_of_strangers_and_of_other_networks_are_not_taken(street: Street) -> None:
    a, b = street.hosts
    red, blue = vnis(a, "red"), vnis(a, "blue")
    places = [street.ns[name] for name in ("r1", "r2", "b1", "i1")]
    member = f"/proc/{b.node.pid}/ns/net"
    for ns, vni in ((street.outside, red), (street.outside, blue), (member, blue), (member, 9999)):
        with ExitStack() as all_of_them:
            ears = [all_of_them.enter_context(listening(place, "eth0")) for place in places]
            inject(ns, a.address, vni)
            assert not any(ear.hears(MARK, 0.2) for ear in ears), (ns == member, vni)
    with listening(street.ns["r1"], "eth0") as ear:
        inject(member, a.address, red)
        assert ear.hears(MARK, 2)


# --- ways out -----------------------------------------------------------------------------------------


def test_internal_networks_have_no_way_out(street: Street) -> None:
    assert "outside web" in http(street.ns["r1"], WORLD, path="/cgi-bin/index.cgi")
    assert resolved(street.ns["r1"], "www.example.com") == {WORLD}
    for name in ("i1", "i2"):
        assert "default" not in inside(street.ns[name], "ip", "route")
        assert not street.addresses[name][""], "an interface that leads out"
        for target in (WORLD, street.hosts[0].address, "192.168.50.1"):
            with pytest.raises(OSError, match="unreachable|timed out"):
                http(street.ns[name], target, within=SHORTLY)
        assert resolved(street.ns[name], "www.example.com") == set()
        assert resolved(street.ns[name], "i1") | resolved(street.ns[name], "i2") == {
            street.addresses["i1"]["inside"][0],
            street.addresses["i2"]["inside"][0],
        }
        assert resolved(street.ns[name], "r1") == set()


def ingress_of(host: Machine) -> tuple[str, str]:
    """The namespace of the node's end of the mesh, and its address there."""
    shown = ask(host, "/networks/ingress")["Containers"]["ingress-sbox"]
    address = shown["IPv4Address"].partition("/")[0]
    folder = host.directory / "exec" / "netns"
    for file in folder.iterdir():
        place = seen_from_here(host, file)
        if f" {address}/" in inside(place, "ip", "-o", "-4", "addr", "show"):
            return place, address
    raise AssertionError(f"{host.name} has no sandbox with {address}")


def test_a_tasks_door_opens_to_entrances_for_mesh_ports_alone(street: Street) -> None:
    a, b = street.hosts
    a.docker("service create -q --detach --name pub --replicas 2 --network red -p 8080:80 nginx")
    wait_for(lambda: len(everywhere([a, b], "ingress")) == 2, 20)
    for client, host in ((a, b), (b, a), (a, a)):
        wait_for(partial(sees_client, client, host), 10)
    one, other = everywhere([a, b], "ingress")
    entrance, _ = ingress_of(a)
    street.served.serve("hidden", other.ns, PORT)
    wait_for(lambda: opens(entrance, other.ipv4, 80), 5)
    assert not opens(entrance, other.ipv4, PORT)
    assert not opens(one.ns, other.ipv4, 80), "a task begins nothing on the ingress network"
    on_red = next(each for each in everywhere([a, b], "red") if each.container == other.container)
    assert opens(street.ns["r1"], on_red.ipv4, PORT), "on its own network it may be asked what it shows"
    for name in ("r1", "b1", "i1"):
        assert not opens(street.ns[name], other.ipv4, 80)
    a.docker("service rm pub")


def opens(ns: str, address: str, port: int) -> bool:
    """Whether a connection is taken."""
    with netns.entered(ns):
        asking = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with asking:
        asking.settimeout(SHORTLY)
        return asking.connect_ex((address, port)) == 0


def sees_client(client: Machine, host: Machine) -> bool:
    """Whether a task answers at the host and sees who asks."""
    said = client.sh(f"curl -s -m 2 http://{host.address}:8080/cgi-bin/who.cgi", check=False).stdout
    return client.address in said or (client is host and "client=" in said)
