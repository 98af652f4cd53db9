"""Addresses from a real DHCP server on the physical network.

dhcp (192.168.50.2, dnsmasq) ── lan 192.168.50.0/24 ──┬── a (.11, Fairlead)
                                                      └── outside (.1)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fairlead.lab import topology
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

LAN = """
[switches.lan]
subnet = "192.168.50.0/24"
[hosts.a]
links = [{ switch = "lan" }]
[hosts.dhcp]
links = [{ switch = "lan", address = "192.168.50.2/24" }]
daemon = false
[routers.outside]
links = [{ switch = "lan" }]
"""
SPEED = ["--dhcp-option=58,4", "--dhcp-option=59,8", "--no-ping"]
"""Renew after 4 s, rebind after 8; dnsmasq grants nothing below two minutes."""


class Server:
    """What dnsmasq does, by its log."""

    def __init__(self, lab: Laboratory, first: str, last: str) -> None:
        self._node = node = lab.host("dhcp").node
        self._pidfile = node.directory / "dnsmasq.pid"
        self._log = node.directory / f"dnsmasq-{first}.log"
        self.leases = node.directory / f"dnsmasq-{first}.leases"
        self._log.unlink(missing_ok=True)
        flags = ["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--log-dhcp"]
        flags += [
            "--dhcp-authoritative",
            f"--dhcp-leasefile={self.leases}",
            f"--pid-file={self._pidfile}",
            "--log-facility=-",
        ]
        flags += [f"--dhcp-range={first},{last},255.255.255.0,2m", "--dhcp-option=option:router,192.168.50.1", *SPEED]
        self._process = node.spawn(["dnsmasq", *flags], self._log)
        wait_for(lambda: "DHCP, IP range" in self.log, what="dnsmasq serves")

    @property
    def log(self) -> str:
        return Path(self._log).read_text()

    def count(self, words: str) -> int:
        return len(re.findall(words, self.log))

    def end(self) -> None:
        self._node.run(["sh", "-c", f"kill $(cat {self._pidfile})"])
        self._process.wait(10)


@contextmanager
def serving(lab: Laboratory, first: str, last: str) -> Iterator[Server]:
    server = Server(lab, first, last)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(topology.parse(LAN)) as made:
        images.provide(made.host("a"), "busybox")
        yield made


@pytest.fixture
def a(lab: Laboratory) -> Iterator[Machine]:
    host = lab.host("a")
    host.docker("network create -d macvlan --ipam-driver dhcp -o parent=eth0 flat")
    yield host
    host.sh("docker ps -aq | xargs -r docker rm -f; docker network prune -f", check=False)


def address(host: Machine, container: str) -> str:
    return host.docker(f"inspect -f '{{{{.NetworkSettings.Networks.flat.IPAddress}}}}' {container}")


def held(host: Machine, container: str) -> list[str]:
    """The addresses of the container's interface."""
    return re.findall(r"inet ([0-9.]+)/", host.docker(f"exec {container} ip addr show eth0"))


def test_a_container_gets_a_lease_renews_it_and_gives_it_back(lab: Laboratory, a: Machine) -> None:
    with serving(lab, "192.168.50.100", "192.168.50.120") as server:
        a.docker("run -d --net flat --name c1 --hostname web busybox top")
        leased = address(a, "c1")
        assert IPv4Address("192.168.50.100") <= IPv4Address(leased) <= IPv4Address("192.168.50.120")
        assert held(a, "c1") == [leased]
        assert "default via 192.168.50.1" in a.docker("exec c1 ip route")
        assert docker(a, "exec c1 ping -c 1 -W 2 192.168.50.1").returncode == 0
        assert f"{leased} web " in server.leases.read_text()
        acks = server.count("DHCPACK")
        wait_for(lambda: server.count("DHCPACK") >= acks + 2, 20, "two renewals")
        assert server.count("DHCPDISCOVER") == 1
        a.docker("stop -t 0 c1")
        wait_for(lambda: server.count(f"DHCPRELEASE.* {leased} ") == 1, what="the release")
        a.docker("start c1")
        assert address(a, "c1") == leased, "a container that starts again has the address it had"


def test_two_containers_have_two_leases_and_names(lab: Laboratory, a: Machine) -> None:
    with serving(lab, "192.168.50.100", "192.168.50.120"):
        a.docker("run -d --net flat --name c1 busybox top")
        a.docker("run -d --name c2 busybox top")
        a.docker("network connect flat c2")
        assert address(a, "c1") != address(a, "c2")
        assert docker(a, "exec c1 ping -c 1 -W 2 c2").returncode == 0
        a.docker("network disconnect flat c2")
        assert docker(a, "exec c1 ping -c 1 -W 1 c2").returncode != 0


def test_a_lease_is_kept_over_a_crash_of_the_daemon(lab: Laboratory, a: Machine) -> None:
    with serving(lab, "192.168.50.100", "192.168.50.120") as server:
        a.docker("run -d --net flat --name c1 busybox top")
        leased = address(a, "c1")
        a.kill()
        acks = server.count("DHCPACK")
        a.start()
        wait_for(lambda: server.count("DHCPACK") > acks, 20, "a renewal by the new daemon")
        assert held(a, "c1") == [address(a, "c1")] == [leased]
        assert server.count("DHCPDISCOVER") == 1


def test_a_refused_lease_is_left_and_a_new_one_taken(lab: Laboratory, a: Machine) -> None:
    with serving(lab, "192.168.50.100", "192.168.50.120"):
        a.docker("run -d --net flat --name c1 busybox top")
        a.docker("run -d --net flat --name c2 busybox top")
        old = address(a, "c1")
    with serving(lab, "192.168.50.200", "192.168.50.220") as server:
        wait_for(lambda: address(a, "c1").startswith("192.168.50.2"), 25, "c1 has an address of the new range")
        wait_for(lambda: address(a, "c2").startswith("192.168.50.2"), 25, "c2 as well")
        assert server.count(f"DHCPNAK.* {old} ") >= 1
        assert held(a, "c1") == [address(a, "c1")]
        assert "default via 192.168.50.1" in a.docker("exec c1 ip route")
        assert docker(a, "exec c2 ping -c 1 -W 2 c1").returncode == 0, "the name leads to the new address"


def test_without_a_server_the_start_fails_and_leaves_nothing(a: Machine) -> None:
    refused = docker(a, "run -d --net flat --name c1 busybox top")
    assert refused.returncode == 125
    assert "no DHCP server answered on eth0 within 10 s" in refused.stderr
    a.docker("rm c1")
    a.docker("network rm flat")
    a.docker("network create -d macvlan --ipam-driver dhcp -o parent=eth0 flat")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("-d bridge --ipam-driver dhcp", "use driver macvlan, or ipvlan in mode l2, with a parent"),
        ("-d macvlan --ipam-driver dhcp", "this network is not on it"),
        ("-d macvlan --ipam-driver dhcp --internal -o parent=eth0", "this network is not on it"),
        ("-d macvlan --ipam-driver dhcp --subnet 10.0.0.0/24 -o parent=eth0", "--subnet, --gateway"),
        ("-d macvlan --ipam-driver dhcp --ipv6 -o parent=eth0", "IPv4 addresses only"),
        ("-d macvlan --ipam-driver nosuch -o parent=eth0", 'plugin "nosuch" not found'),
    ],
)
def test_a_network_that_cannot_ask_is_refused(a: Machine, flags: str, words: str) -> None:
    refused = docker(a, f"network create {flags} wrong")
    assert refused.returncode == 1
    assert words in refused.stderr


def test_an_address_cannot_be_wished_for(a: Machine) -> None:
    refused = docker(a, "run -d --net flat --ip 192.168.50.105 busybox top")
    assert (
        "user specified IP address is supported only when connecting to networks with user configured" in refused.stderr
    )
