"""macvlan through the docker CLI: what lives on over restarts and reboots, and what is told apart.

outside (192.168.50.1) ── lan 192.168.50.0/24 ──┬── a (.11, Fairlead)
                                                └── b (.12, Fairlead)
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from fairlead.model.errors import Failed
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

UNDERLAY = "--subnet 192.168.50.0/24 --gateway 192.168.50.1 -o parent=eth0"


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b"])) as made:
        for host in made.hosts():
            images.provide(host, "busybox", "nginx")
        yield made


@pytest.fixture
def a(lab: Laboratory) -> Iterator[Machine]:
    yield from _cleaned(lab.host("a"))


@pytest.fixture
def b(lab: Laboratory) -> Iterator[Machine]:
    yield from _cleaned(lab.host("b"))


def _cleaned(host: Machine) -> Iterator[Machine]:
    yield host
    host.sh("docker ps -aq | xargs -r docker rm -f; docker network prune -f; docker network rm cfg", check=False)


def reaches(host: Machine, container: str, address: str) -> bool:
    return docker(host, f"exec {container} ping -c 1 -W 1 {address}").returncode == 0


def test_a_reboot_makes_everything_again(lab: Laboratory, a: Machine, b: Machine) -> None:
    a.docker(f"network create -d macvlan {UNDERLAY} real")
    a.docker("network create -d macvlan --subnet 10.9.0.0/24 island")
    b.docker(f"network create -d macvlan {UNDERLAY} real")
    a.docker("run -d --restart always --net real --ip 192.168.50.100 --name web nginx")
    a.docker("run -d --restart always --net island --name alone busybox top")
    a.docker("run -d --restart always --net island --name other busybox top")
    b.docker("run -d --net real --ip 192.168.50.200 --name client busybox top")
    lab.reboot("a")
    wait_for(lambda: reaches(b, "client", "192.168.50.100"), what="web answers after the reboot")
    wait_for(lambda: reaches(a, "alone", "other"), what="the island has its names again")
    assert "Welcome to nginx" in b.docker("exec client wget -qO- http://192.168.50.100")
    assert a.docker("inspect -f '{{.NetworkSettings.Networks.real.MacAddress}}' web") == "02:42:c0:a8:32:64"


def test_a_stand_in_goes_with_its_network(a: Machine) -> None:
    before = a.sh("ip -o link").stdout.count("dm-")
    a.docker("network create -d macvlan --internal --subnet 10.8.0.0/24 inside")
    assert a.sh("ip -o link").stdout.count("dm-") > before
    a.docker("run -d --net inside --name c1 busybox top")
    a.docker("run -d --net inside --name c2 busybox top")
    assert reaches(a, "c1", "c2")
    assert a.docker("exec c1 ip route") == "10.8.0.0/24 dev eth0 scope link  src 10.8.0.1"
    a.docker("rm -f c1 c2")
    a.docker("network rm inside")
    assert a.sh("ip -o link").stdout.count("dm-") == before


def test_private_containers_see_the_network_but_not_each_other(a: Machine) -> None:
    a.docker(f"network create -d macvlan {UNDERLAY} -o macvlan_mode=private hermits")
    a.docker("run -d --net hermits --name c1 --ip 192.168.50.61 busybox top")
    a.docker("run -d --net hermits --name c2 --ip 192.168.50.62 busybox top")
    assert reaches(a, "c1", "192.168.50.1")
    assert not reaches(a, "c1", "192.168.50.62")


def test_passthru_carries_one_network(a: Machine) -> None:
    a.sh("ip link add pass0 type veth peer name pass1; ip link set pass0 up; ip link set pass1 up")
    try:
        a.docker("network create -d macvlan --subnet 10.7.0.0/24 -o parent=pass0 -o macvlan_mode=passthru through")
        a.docker("run -d --net through --name c1 busybox top")
        refused = docker(a, "run -d --net through --name c2 busybox top")
        assert refused.returncode == 125
        assert "hands its parent interface pass0 through to one container" in refused.stderr
        with pytest.raises(Failed, match="in mode passthru"):
            a.docker("network create -d macvlan --subnet 10.6.0.0/24 -o parent=pass0 second")
    finally:
        a.sh("docker rm -f c1 c2; docker network rm through; ip link del pass0", check=False)


def test_a_parent_that_went_and_came_carries_again(a: Machine) -> None:
    cable = "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up; "
    cable += "ip addr add 10.5.0.1/24 dev up1"
    a.sh(cable)
    try:
        a.docker("network create -d macvlan --subnet 10.5.0.0/24 --gateway 10.5.0.1 -o parent=up0 up")
        a.docker("run -d --net up --ip 10.5.0.7 --name c1 busybox top")
        assert reaches(a, "c1", "10.5.0.1")
        a.sh(f"ip link del up0; {cable}")
        wait_for(lambda: reaches(a, "c1", "10.5.0.1"), what="the container's interface is made again")
        assert "default via 10.5.0.1 dev eth0" in a.docker("exec c1 ip route")
    finally:
        a.sh("docker rm -f c1; docker network rm up; ip link del up0", check=False)


def test_an_address_on_two_families(a: Machine, b: Machine) -> None:
    for host in (a, b):
        host.docker(f"network create -d macvlan --ipv6 --subnet fd50::/64 --gateway fd50::1 {UNDERLAY} dual")
    a.docker("run -d --net dual --ip 192.168.50.71 --ip6 fd50::71 --name c1 busybox top")
    b.docker("run -d --net dual --ip 192.168.50.72 --ip6 fd50::72 --name c2 busybox top")
    wait_for(lambda: reaches(a, "c1", "fd50::72"))
    assert reaches(b, "c2", "192.168.50.71")


def test_configurations_differ_by_host_and_the_network_does_not(a: Machine, b: Machine) -> None:
    for host, part in ((a, "192.168.50.64/27"), (b, "192.168.50.96/27")):
        host.docker(f"network create --config-only {UNDERLAY} --ip-range {part} cfg")
        host.docker("network create -d macvlan --config-from cfg flat")
        host.docker("run -d --net flat --name c1 busybox top")
    assert a.docker("inspect -f '{{.NetworkSettings.Networks.flat.IPAddress}}' c1") == "192.168.50.64"
    assert b.docker("inspect -f '{{.NetworkSettings.Networks.flat.IPAddress}}' c1") == "192.168.50.96"
    assert reaches(a, "c1", "192.168.50.96")
    shown = a.docker("network inspect -f '{{.ConfigFrom.Network}} {{.ConfigOnly}} {{.Options.parent}}' flat cfg")
    assert shown == "cfg false eth0\n true eth0"
    with pytest.raises(Failed, match='configuration network "cfg" is in use'):
        a.docker("network rm cfg")
    refused = docker(a, "network create -d macvlan --config-from cfg -o parent=eth0 more")
    assert "user specified configurations are not supported" in refused.stderr
    assert "cannot create endpoint on configuration-only network" in docker(a, "run --rm --net cfg busybox true").stderr
