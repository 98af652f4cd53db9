"""Somebody else takes away what is ours: within two seconds traffic flows again, and the log says what was done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fairlead.lab.machine import Machine
from tests.chaos.api import Api, spec
from tests.chaos.audit import Audit
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timed,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

WITHIN = 2.0


@dataclass
class Town:
    """A host with a network of two containers, one of them published, and one on the default bridge."""

    host: Machine

    def __post_init__(self) -> None:
        api = Api(self.host.socket)
        api.create_network(
            "pets", EnableIPv6=True, IPAM={"Config": [{"Subnet": "10.5.0.0/24"}, {"Subnet": "fd00:5::/64"}]}
        )
        api.run("web", spec("pets", ports={8080: 80}))
        api.run("db", spec("pets"))
        api.run("old", spec(ports={8081: 80}))
        wait_for(lambda: not Audit(self.host).faults(), what="all to work")
        self.api = api
        link = f"br-{api.get('/networks/pets')['Id'][:12]}"
        key = api.inspect("web")["NetworkSettings"]["SandboxKey"]
        pair = self.host.sh(f"ip -o link show master {link}").stdout.split()[1].partition("@")[0]
        self.names = {"BRIDGE": link, "VETH": pair, "INSIDE": f"nsenter --net={key}"}

    def take_away(self, line: str) -> str:
        """Run a shell line with this host's names in it; what the daemon logged about it, once all works again."""
        for name, value in self.names.items():
            line = line.replace(name, value)
        before = len(self.host.log.read_text())
        self.host.sh(line)
        struck = time.monotonic()
        wait_for(lambda: "repairing" in self.host.log.read_text()[before:], WITHIN, f"a repair after {line}")
        faults: list[str] = []

        def well() -> bool:
            faults[:] = Audit(self.host, [8080, 8081]).faults()
            return not faults

        wait_for(well, 10, f"{line} to be repaired")
        assert self.repaired_within(before, struck) < WITHIN
        return self.host.log.read_text()[before:]

    def repaired_within(self, before: int, struck: float) -> float:
        """Seconds from the blow to the last line about a repair, as the log's own clock has them."""
        line = [line for line in self.host.log.read_text()[before:].splitlines() if "repairing" in line][-1]
        said = line.split()[0].removeprefix("time=")
        at = time.mktime(time.strptime(said[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(said[19:-1])
        return at - (time.time() - (time.monotonic() - struck))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with machine() as host:
        provide(host, "busybox")
        yield Town(host)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nft delete table inet fairlead", "table"),
        ("nft flush ruleset", "table"),
        ("nft flush table inet fairlead", "table"),
        ("nft flush chain inet fairlead forward", "table"),
        ("nft flush map inet fairlead any4", "table"),
        ("nft delete element inet fairlead any4 '{ tcp . 8080 }'", "table"),
        ("nft delete element inet fairlead bridges '{ \"BRIDGE\" }'", "table"),
        ("nft delete rule inet fairlead forward handle $(nft -a list chain inet fairlead forward"
         " | sed -n 's/.*established.*handle //p')", "table"),
        ("ip link delete BRIDGE", "BRIDGE"),
        ("ip link set BRIDGE down", "BRIDGE"),
        ("ip address flush dev BRIDGE", "BRIDGE"),
        ("ip link delete docker0", "docker0"),
        ("ip link set docker0 down", "docker0"),
        ("ip link delete VETH", "VETH"),
        ("ip link set VETH down", "VETH"),
        ("ip link set VETH nomaster", "VETH"),
        ("INSIDE ip link delete eth0", "VETH"),
        ("INSIDE ip -4 address flush dev eth0", "eth0"),
        ("INSIDE ip route delete default", "eth0"),
        ("INSIDE ip -6 route delete default", "eth0"),
        ("INSIDE ip link set eth0 down", "VETH"),
    ],
)  # fmt: skip
def test_taken_away(town: Town, line: str, said: str) -> None:
    log = town.take_away(line)
    assert town.names.get(said, said) in log
    ns = town.names["INSIDE"]
    assert "default" in town.host.sh(f"{ns} ip route").stdout
    assert "default" in town.host.sh(f"{ns} ip -6 route").stdout


def test_everything_at_once(town: Town) -> None:
    town.take_away("ip link delete docker0; ip link delete BRIDGE; nft flush ruleset")


def test_a_container_that_may_change_its_routes(town: Town) -> None:
    town.api.run("vpn", spec("pets", CapAdd=["NET_ADMIN"]))
    vpn = town.api.inspect("vpn")["NetworkSettings"]["SandboxKey"]
    town.host.sh(f"nsenter --net={vpn} ip route delete default")
    town.take_away("INSIDE ip route delete default")
    assert "default" not in town.host.sh(f"nsenter --net={vpn} ip route").stdout
    town.host.kill()
    town.host.start()
    assert "default" not in town.host.sh(f"nsenter --net={vpn} ip route").stdout
    town.api.delete("/containers/vpn?force=1")
