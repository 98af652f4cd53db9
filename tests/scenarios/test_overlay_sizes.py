"""How large packets and networks may be.

lan 192.168.50.0/24 ──┬── a (.11, manager)
                      ├── b (.12, worker)
                      └── c (.13, worker)      FAIRLEAD_OVERLAY_CONTAINERS=200 puts more than 50 on one network.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from fairlead.effects.kernel import netns
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import Topology, simple
from tests.scenarios.overlay_truth import Station, Truth, everywhere, inside
from tests.support import images
from tests.support.answering import answerers, ask
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

CONTAINERS = int(os.environ.get("FAIRLEAD_OVERLAY_CONTAINERS", "50"))
ENVELOPE = 50
"""Bytes of VXLAN over IPv4 around a packet."""
HEADERS = 28
"""Of IPv4 and ICMP."""
LARGE = 64 << 20
PORT, SAMPLE = 7000, 100
ROLES = {"a": "manager", "b": "worker", "c": "worker"}


def narrow(topology: Topology, mtu: int) -> Topology:
    hosts = {
        name: replace(host, links=tuple(replace(link, mtu=mtu) for link in host.links))
        for name, host in topology.hosts.items()
    }
    return replace(topology, hosts=hosts)


@pytest.fixture
def network(lab: Laboratory) -> Iterator[Laboratory]:
    """With the network `att`, and no containers in the end."""
    yield lab
    for host in lab.hosts():
        host.sh("docker ps -aq | xargs -r docker rm -f", timeout=120)


@pytest.fixture(scope="module", params=[1500, 1400])
def lab(request: pytest.FixtureRequest) -> Iterator[Laboratory]:
    with laboratory(narrow(simple(list(ROLES), roles=ROLES), request.param)) as made:
        made.form_swarm()
        for host in made.hosts():
            images.provide(host, "nginx")
        made.host("a").docker("network create -d overlay --attachable --subnet 10.77.0.0/16 att")
        yield made


def underlay_mtu(lab: Laboratory) -> int:
    return lab.topology.hosts["a"].links[0].mtu


def run(host: Machine, name: str) -> Station:
    host.docker(f"run -d --net att --name {name} nginx")
    return next(station for station in everywhere([host], "att") if station.name == name)


def echoes(ns: str, address: str, size: int) -> bool:
    """Whether a packet of that many bytes passes unbroken there and back."""
    command = ["ping", "-c", "1", "-W", "1", "-M", "do", "-s", str(size - HEADERS), address]
    line = f"nsenter --net={ns} {' '.join(command)} >/dev/null 2>&1"
    return os.system(line) == 0


def transfer(source: str, target: str, address: str, size: int) -> int:
    """How many bytes of so many sent from one namespace arrive in the other."""
    with netns.entered(target):
        door = socket.create_server((address, PORT + 1))
    with netns.entered(source):
        sending = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with door, sending:
        for wire in (door, sending):
            wire.settimeout(20)
        sending.connect((address, PORT + 1))
        taken, _ = door.accept()
        with taken:
            taken.settimeout(20)
            thread = threading.Thread(target=_send, args=(sending, size), daemon=True)
            thread.start()
            arrived = 0
            while chunk := taken.recv(1 << 20):
                arrived += len(chunk)
            thread.join(20)
    return arrived


def _send(wire: socket.socket, size: int) -> None:
    for _ in range(size >> 16):
        wire.sendall(bytes(1 << 16))
    wire.shutdown(socket.SHUT_WR)


def test_what_fits_on_the_underlay_passes_whole(network: Laboratory) -> None:
    lab = network
    inner = underlay_mtu(lab) - ENVELOPE
    one, far = run(lab.host("a"), "one"), run(lab.host("b"), "far")
    Truth(lab.hosts("a", "b"), "att").wait(5)
    assert f"mtu {inner} " in inside(one.ns, "ip", "link", "show", "eth0")
    assert echoes(one.ns, far.ipv4, inner)
    assert not echoes(one.ns, far.ipv4, inner + 1)
    assert transfer(one.ns, far.ns, far.ipv4, LARGE) == LARGE


def test_a_packet_size_that_cannot_be_is_refused_with_the_reason(lab: Laboratory) -> None:
    a, mtu = lab.host("a"), underlay_mtu(lab)
    a.docker("network create -d overlay --attachable --opt com.docker.network.driver.mtu=9000 giant")
    refused = docker(a, "run -d --net giant --name big nginx")
    assert refused.returncode
    assert f"MTU 9000 is too large: the way from {a.address} to the other nodes carries packets of {mtu} bytes" in (
        refused.stderr
    )
    assert f"at most {mtu - ENVELOPE}" in refused.stderr
    a.docker("rm -f big")
    wait_for(lambda: docker(a, "network rm giant").returncode == 0, 10)


def test_many_containers_on_one_network_reach_each_other(network: Laboratory) -> None:
    lab = network
    if underlay_mtu(lab) != 1500:
        pytest.skip("once is enough")
    hosts = lab.hosts("a", "b", "c")

    def fill(number: int) -> None:
        for each in range(number, CONTAINERS, len(hosts)):
            hosts[number].docker(f"run -d --net att --name n{each} nginx")

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(fill, range(len(hosts))))
    found = everywhere(hosts, "att")
    assert len(found) == len({station.ipv4 for station in found}) == CONTAINERS
    chosen = random.Random(CONTAINERS)
    pairs = [(chosen.choice(found), chosen.choice(found)) for _ in range(SAMPLE)]
    with answerers() as served:
        for station in found:
            served.serve(station.name, station.ns, PORT)
        for one, other in pairs:
            assert ask(one.ns, other.ipv4, PORT).name == other.name
    for host in hosts:
        wait_for(partial(all_are_known, host), 5)
    for host in hosts:
        host.sh("docker ps -aq | xargs docker rm -f", timeout=120)
    for host in hosts:
        wait_for(partial(nothing_is_left, host), 10)


def all_are_known(host: Machine) -> bool:
    told = host.docker("network inspect -v -f '{{range .Services}}{{len .Tasks}}{{end}}' att")
    return int(told) == CONTAINERS


def nothing_is_left(host: Machine) -> bool:
    """Whether the host has no namespace of an overlay network but that of the ingress network."""
    identity = host.docker("network inspect -f '{{.Id}}' ingress")
    found = host.sh(f"ls {host.directory}/exec/netns").stdout.split()
    return [name for name in found if name.startswith("1-")] == [f"1-{identity[:10]}"]
