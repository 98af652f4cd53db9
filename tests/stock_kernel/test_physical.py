"""802.1q trunks, ipvlan, dummy parents, bonds and netem through the docker CLI, where the kernel has them all.

r1 ── trunk ──┬── a   eth0, eth0.10, eth0.20 ...   192.168.50.11, Fairlead
              ├── b                                192.168.50.12, Fairlead
              └── dhcp                             192.168.50.2, dnsmasq where a test wants it
r1 routes between 192.168.50.1 (untagged), 192.168.10.1 (VLAN 10) and 192.168.20.1 (VLAN 20).

Under emulation a command takes a second, so the lab is shared and each test tells one story to its end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fairlead.lab import faults, topology
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from tests.scenarios.test_dhcp import address, serving
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.stock_kernel,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

TRUNK = """
[switches.trunk]
subnet = "192.168.50.0/24"
[hosts.a]
links = [{ switch = "trunk" }]
[hosts.b]
links = [{ switch = "trunk" }]
[hosts.dhcp]
links = [{ switch = "trunk", address = "192.168.50.2/24" }]
daemon = false
[routers.r1]
links = [{ switch = "trunk" }, { switch = "trunk", vlan = 10, address = "192.168.10.1/24" },
         { switch = "trunk", vlan = 20, address = "192.168.20.1/24" }]
"""
BOND = """
ip link add up0 type veth peer name up1
ip link add bond0 type bond mode active-backup miimon 100
ip link set up0 master bond0
ip link set bond0 up
ip link set up1 up
ip link add link up1 name up1.30 type vlan id 30
ip addr add 10.30.0.1/24 dev up1.30
ip link set up1.30 up
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(topology.parse(TRUNK)) as made:
        for host in made.hosts("a", "b"):
            images.provide(host, "busybox")
        yield made


@pytest.fixture
def a(lab: Laboratory) -> Iterator[Machine]:
    yield from _cleaned(lab.host("a"))


@pytest.fixture
def b(lab: Laboratory) -> Iterator[Machine]:
    yield from _cleaned(lab.host("b"))


def _cleaned(host: Machine) -> Iterator[Machine]:
    yield host
    host.sh("docker ps -aq | xargs -r docker rm -f; docker network prune -f", check=False, timeout=120)


def reaches(host: Machine, container: str, address: str) -> bool:
    return docker(host, f"exec {container} ping -c 1 -W 2 {address}").returncode == 0


def eventually_reaches(host: Machine, container: str, address: str) -> None:
    wait_for(lambda: reaches(host, container, address), 40, f"{container} reaches {address}")


def links(host: Machine, kind: str) -> list[str]:
    """Names of the host's links of a kind."""
    lines = host.sh(f"ip -o link show type {kind}").stdout.splitlines()
    return sorted(line.split(": ")[1].partition("@")[0] for line in lines)


def vlan_network(host: Machine, vlan: int, name: str = "") -> None:
    host.docker(
        f"network create -d macvlan --subnet 192.168.{vlan}.0/24 --gateway 192.168.{vlan}.1 "
        f"-o parent=eth0.{vlan} {name or f'macvlan{vlan}'}"
    )


def test_vlans_meet_only_in_the_router(lab: Laboratory, a: Machine, b: Machine) -> None:
    vlan_network(a, 10)
    vlan_network(a, 20)
    vlan_network(b, 10)
    assert links(a, "vlan") == ["eth0.10", "eth0.20"]
    a.docker("run -itd --name c1 --net macvlan10 --ip 192.168.10.2 busybox sh")
    a.docker("run -itd --name c2 --net macvlan20 --ip 192.168.20.2 busybox sh")
    b.docker("run -itd --name c3 --net macvlan10 --ip 192.168.10.3 busybox sh")
    eventually_reaches(a, "c1", "192.168.10.3")
    eventually_reaches(a, "c1", "192.168.20.2")
    lab.isolate("r1")
    assert not reaches(a, "c1", "192.168.20.2"), "two VLANs of one host met without the router"
    assert reaches(a, "c1", "192.168.10.3"), "one VLAN needs no router"
    lab.heal()
    eventually_reaches(a, "c1", "192.168.20.2")


def test_a_sub_interface_is_shared_and_goes_with_its_last_network(a: Machine) -> None:
    a.sh("ip link add link eth0 name eth0.30 type vlan id 30")
    a.docker("network create -d macvlan --subnet 10.40.0.0/24 -o parent=eth0.40 first")
    a.docker("network create -d macvlan --subnet 10.41.0.0/24 -o parent=eth0.40 second")
    a.docker("network create -d macvlan --subnet 10.30.0.0/24 -o parent=eth0.30 theirs")
    a.docker("network rm first theirs")
    assert links(a, "vlan") == ["eth0.30", "eth0.40"]
    a.docker("run -d --name c1 --net second busybox top")
    a.kill()
    a.sh("ip link del eth0.40")
    a.start()
    assert links(a, "vlan") == ["eth0.30", "eth0.40"]
    assert "10.41.0.2" in a.docker("exec c1 ip addr show eth0")
    a.docker("rm -f c1")
    a.docker("network rm second")
    assert links(a, "vlan") == ["eth0.30"], "what the user made stays"
    a.sh("ip link del eth0.30")


def test_a_reboot_makes_sub_interfaces_again(lab: Laboratory, a: Machine) -> None:
    vlan_network(a, 10)
    a.docker("run -d --restart always --name c1 --net macvlan10 --ip 192.168.10.2 busybox top")
    lab.reboot("a")
    eventually_reaches(a, "c1", "192.168.10.1")


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("eth0.0", "vlan id must be between 1-4094, received: 0"),
        ("eth0.4095", "vlan id must be between 1-4094, received: 4095"),
        ("eth9.10", "parent interface eth9 of eth9.10 was not found on the host"),
    ],
)
def test_a_trunk_that_cannot_be_is_refused(a: Machine, parent: str, words: str) -> None:
    said = docker(a, f"network create -d macvlan --subnet 10.50.0.0/24 -o parent={parent} wrong")
    assert said.returncode == 1
    assert words in said.stderr


def test_ipvlan_l2_is_on_the_segment_behind_one_mac(a: Machine, b: Machine) -> None:
    for host in (a, b):
        host.docker("network create -d ipvlan --subnet 192.168.50.0/24 --gateway 192.168.50.1 -o parent=eth0 flat")
    a.docker("run -d --name c1 --net flat --ip 192.168.50.61 busybox top")
    b.docker("run -d --name c2 --net flat --ip 192.168.50.62 busybox top")
    eventually_reaches(a, "c1", "192.168.50.62")
    eventually_reaches(a, "c1", "192.168.50.1")
    mac = a.sh("cat /sys/class/net/eth0/address").stdout.strip()
    assert a.docker("exec c1 cat /sys/class/net/eth0/address") == mac
    said = docker(a, "network create -d macvlan --subnet 10.60.0.0/24 -o parent=eth0 other")
    assert "parent interface eth0 is in use by ipvlan network flat" in said.stderr


def test_containers_behind_one_mac_have_leases_of_their_own(lab: Laboratory, a: Machine) -> None:
    a.docker("network create -d ipvlan --ipam-driver dhcp -o parent=eth0 flat")
    with serving(lab, "192.168.50.100", "192.168.50.120") as server:
        for name in ("c1", "c2"):
            a.docker(f"run -d --name {name} --net flat busybox top")
        leased = {address(a, name) for name in ("c1", "c2")}
        assert len(leased) == 2
        assert all(f" {each} " in server.leases.read_text() for each in leased)
        eventually_reaches(a, "c1", address(a, "c2"))
        eventually_reaches(a, "c2", "192.168.50.1")
        acks = server.count("DHCPACK")
        wait_for(lambda: server.count("DHCPACK") >= acks + 2, 40, "both renew")
        assert leased == {address(a, name) for name in ("c1", "c2")}
        assert server.count("DHCPDISCOVER") == 2
        a.docker("rm -f c1 c2")


@pytest.mark.parametrize("mode", ["l3", "l3s"])
def test_ipvlan_l3_routes_between_its_subnets(a: Machine, b: Machine, mode: str) -> None:
    for subnet in ("10.61", "10.62"):
        a.docker(f"network create -d ipvlan --subnet {subnet}.0.0/24 -o parent=eth0 -o ipvlan_mode={mode} n{subnet}")
    a.docker("run -d --name c1 --net n10.61 --ip 10.61.0.5 busybox top")
    a.docker("run -d --name c2 --net n10.62 --ip 10.62.0.5 busybox top")
    assert "default dev eth0" in a.docker("exec c1 ip route")
    eventually_reaches(a, "c1", "10.62.0.5")
    b.sh("ip route add 10.61.0.0/24 via 192.168.50.11")
    try:
        assert b.sh("ping -c 1 -W 5 10.61.0.5").returncode == 0
    finally:
        b.sh("ip route del 10.61.0.0/24 via 192.168.50.11")


def test_an_internal_network_stands_on_a_dummy(a: Machine) -> None:
    a.docker("network create -d ipvlan --internal --subnet 10.63.0.0/24 inside")
    a.docker("network create -d macvlan --subnet 10.64.0.0/24 island")
    assert [name[:3] for name in links(a, "dummy")] == ["dm-", "dm-"]
    for name in ("c1", "c2"):
        a.docker(f"run -d --name {name} --net inside busybox top")
    eventually_reaches(a, "c1", "c2")
    assert "default" not in a.docker("exec c1 ip route")
    a.docker("rm -f c1 c2")
    a.docker("network rm inside island")
    assert links(a, "dummy") == []


def test_a_bond_carries_networks(a: Machine) -> None:
    a.sh(BOND)
    try:
        a.docker("network create -d macvlan --subnet 10.30.0.0/24 --gateway 10.30.0.1 -o parent=bond0.30 bonded")
        a.docker("run -d --name c1 --net bonded busybox top")
        eventually_reaches(a, "c1", "10.30.0.1")
    finally:
        a.sh("docker rm -f c1; docker network rm bonded; ip link del bond0; ip link del up0", check=False)


def test_netem_delays(lab: Laboratory, a: Machine) -> None:
    lab.impair("b", faults.parse_impairment("", "300ms", ""))
    started = time.monotonic()
    a.sh("ping -c 1 -W 10 192.168.50.12")
    assert time.monotonic() - started > 0.3
    lab.heal()
