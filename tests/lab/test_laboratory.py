"""Labs on the real kernel, here without daemons: what a lab makes, what its faults do, and that nothing is left.

outside ──┐
a ────────┼── lan 192.168.50.0/24
b ────────┘
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab import faults, record, topology
from fairlead.lab.damage import has_netem
from fairlead.lab.laboratory import Laboratory
from fairlead.lab.node import until
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound, Unsupported
from tests.support.machines import laboratory, missing_requirements

pytestmark = pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())

PLAIN = """
[switches.lan]
subnet = "192.168.50.0/24"
[hosts.a]
links = [{ switch = "lan" }]
daemon = false
[hosts.b]
links = [{ switch = "lan" }]
daemon = false
[routers.outside]
links = [{ switch = "lan" }]
"""
A, B, OUTSIDE = "192.168.50.11", "192.168.50.12", "192.168.50.1"


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(topology.parse(PLAIN)) as made:
        yield made


@pytest.fixture(autouse=True)
def _healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").heal()


def reaches(lab: Laboratory, host: str, address: str) -> bool:
    return lab.host(host).sh(f"ping -c 1 -W 1 {address}", check=False).returncode == 0


def test_hosts_are_machines_of_their_own(lab: Laboratory) -> None:
    a = lab.host("a")
    assert a.sh("hostname").stdout.strip() == "a"
    assert a.sh("ls /sys/class/net").stdout.split() == ["eth0", "lo"]
    assert a.sh("cat /proc/1/comm").stdout.strip() == "tini"
    assert reaches(lab, "a", B)
    assert lab.host("b").sh("ping -c 1 -W 1 a").returncode == 0


def test_the_world_outside_has_names_and_a_web_server(lab: Laboratory) -> None:
    assert lab.host("a").fetch("http://www.example.com/") == f"outside web; you are {A}\n"


def test_a_cut_silences_one_pair_until_it_heals(lab: Laboratory) -> None:
    lab.cut("a", "b")
    assert not reaches(lab, "a", B)
    assert reaches(lab, "a", OUTSIDE)
    lab.heal()
    assert reaches(lab, "a", B)


def test_cuts_add_up(lab: Laboratory) -> None:
    lab.cut("a", "b")
    lab.cut("a", "outside")
    assert not reaches(lab, "a", B)
    assert not reaches(lab, "a", OUTSIDE)


def test_a_narrow_link_is_as_wide_as_it_says_both_ways(lab: Laboratory) -> None:
    lab.impair("a", faults.parse_impairment("", "", "8mbit"))
    for source, target in (("a", B), ("b", A)):
        told = lab.host(source).sh(f"ping -q -c 3 -i 0.2 -s 1400 {target}").stdout
        assert " 0% packet loss" in told
    qdiscs = [lab.host("a").sh("tc qdisc show dev eth0").stdout, lab.node("fabric").run(["tc", "qdisc"]).stdout]
    assert all("rate 8Mbit" in told for told in qdiscs)
    assert "impaired: a:eth0 rate 8mbit" in lab.draw()
    lab.heal()
    assert "rate" not in lab.host("a").sh("tc qdisc show dev eth0").stdout
    assert "impaired" not in lab.draw()


def test_a_host_without_a_daemon_has_none_to_start(lab: Laboratory) -> None:
    for verb in (lab.host("a").start, lab.host("a").stop, lab.host("a").kill):
        with pytest.raises(Invalid, match="a is a host without a daemon"):
            verb()


def test_an_isolated_node_reaches_nobody(lab: Laboratory) -> None:
    lab.isolate("b")
    assert not reaches(lab, "a", B)
    assert not reaches(lab, "b", OUTSIDE)
    assert reaches(lab, "a", OUTSIDE)


def test_a_lossy_link_loses(lab: Laboratory) -> None:
    assert reaches(lab, "a", B), "its address is asked for first, and that may be lost too"
    lab.impair("a", faults.parse_impairment("40%", "", ""))
    said = lab.host("a").sh(f"ping -q -c 60 -i 0.01 -W 1 {B}", check=False).stdout
    received = int(said.split(" received")[0].split()[-1])
    assert 5 < received < 45


def test_delay_is_done_or_refused_but_never_forgotten(lab: Laboratory) -> None:
    delay = faults.parse_impairment("", "40ms", "")
    if not has_netem(lab.node("fabric")):
        with pytest.raises(Unsupported, match="netem"):
            lab.impair("a", delay)
        return
    lab.impair("a", delay)
    said = lab.host("a").sh(f"ping -q -c 2 -i 0.2 {B}").stdout
    assert float(said.split(" = ")[1].split("/")[1]) >= 39


def test_a_name_that_is_not_there_is_refused_with_those_that_are(lab: Laboratory) -> None:
    with pytest.raises(NotFound, match="hosts: a, b"):
        lab.host("c")
    with pytest.raises(NotFound, match="a:eth0"):
        lab.impair("c", faults.parse_impairment("1%", "", ""))
    with pytest.raises(NotFound, match="outside"):
        lab.cut("a", "c")


def test_a_lab_that_is_up_is_not_made_again(lab: Laboratory) -> None:
    with pytest.raises(Conflict, match="is up already"):
        Laboratory.up(lab.name, lab.topology)
    assert lab.host("a").node.alive


def test_two_labs_do_not_meet(lab: Laboratory) -> None:
    with laboratory(topology.parse(PLAIN)) as other:
        other.host("a").node.run(["ip", "link", "set", "eth0", "down"])
        assert reaches(lab, "b", A)


CHAIN = """
[switches.lan]
subnet = "10.1.0.0/24"
[switches.middle]
subnet = "10.2.0.0/24"
[switches.office]
subnet = "10.3.0.0/24"
mtu = 1400
[hosts.a]
links = [{ switch = "lan" }]
daemon = false
[hosts.b]
links = [{ switch = "office" }]
daemon = false
[routers.r1]
links = [{ switch = "lan" }, { switch = "middle" }]
[routers.r2]
links = [{ switch = "middle" }, { switch = "office" }]
"""


def test_a_trunk_is_built_or_refused_by_name() -> None:
    name = f"trunk{os.getpid()}"
    tagged = PLAIN.replace('{ switch = "lan" }', '{ switch = "lan" }, { switch = "lan", vlan = 10 }', 1)
    refusals = []
    try:
        Laboratory.up(name, topology.parse(tagged)).down()
    except Unsupported as refusal:
        refusals.append(refusal.message)
    assert refusals in ([], ["a cannot have eth0.10: this kernel has no 8021q"])
    assert name not in record.labs()


def test_two_routers_lead_to_each_others_subnets_and_a_cut_reaches_beyond_them() -> None:
    with laboratory(topology.parse(CHAIN)) as made:
        a, b = made.hosts("a", "b")
        assert b.sh("cat /sys/class/net/eth0/mtu").stdout == "1400\n"
        assert reaches(made, "a", b.address)
        assert a.sh("getent hosts b").stdout.split()[0] == b.address
        made.cut(a, b)
        assert not reaches(made, "a", b.address)
        assert reaches(made, "b", "10.1.0.1")
        made.heal()
        assert reaches(made, "a", b.address)


def world() -> dict[str, list[str]]:
    """What a lab could leave behind in the machine's own namespaces."""
    links = sorted(path.name for path in Path("/sys/class/net").iterdir())
    mounts = sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    labs = sorted(path.name for path in record.root().iterdir()) if record.root().exists() else []
    return {"links": links, "mounts": [m for m in mounts if "lab" in m], "labs": labs}


def test_down_leaves_the_machine_as_it_was() -> None:
    before = world()
    with laboratory(topology.parse(PLAIN)) as made:
        directory = made.directory
        pids = [made.node(name).pid for name in ("a", "b", "outside", "fabric")]
    assert world() == before
    assert not record.processes_of(directory)
    assert not any(Path(f"/proc/{pid}/stat").exists() for pid in pids)


def test_down_removes_what_a_crash_of_the_tool_left() -> None:
    name = f"crash{os.getpid()}"
    script = f"""
import os, signal
from fairlead.lab import topology
from fairlead.lab.laboratory import Laboratory
lab = Laboratory.up({name!r}, topology.parse({PLAIN!r}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = Laboratory.open(name)
    assert left.host("a").node.alive
    left.down()
    assert name not in record.labs()
    until(lambda: not record.processes_of(left.directory), "the processes to end", 5)


def test_a_host_that_is_not_booted_yet_is_gone() -> None:
    name = f"coming{os.getpid()}"
    record.claim(record.Record(name, topology.parse(PLAIN)))
    coming_up = Laboratory.open(name)
    try:
        assert [host.state() for host in coming_up.hosts()] == ["gone", "gone"]
    finally:
        coming_up.down()
    assert name not in record.labs()


def test_a_failure_while_it_comes_up_leaves_nothing() -> None:
    name = f"fails{os.getpid()}"
    wrong = topology.parse(PLAIN.replace("daemon = false", 'daemon = ["--no-such-flag"]', 1))
    with pytest.raises(Failed, match="no-such-flag"):
        Laboratory.up(name, wrong)
    assert name not in record.labs()
    assert not record.processes_of(record.root() / name)


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", "-x", "a b", "x" * 33])
def test_a_name_that_would_lead_elsewhere_is_refused_before_anything_is_touched(lab: Laboratory, name: str) -> None:
    with pytest.raises(Invalid, match="cannot name a lab"):
        Laboratory.up(name, lab.topology)
    with pytest.raises(Invalid, match="cannot name a lab"):
        Laboratory.open(name)
    assert lab.host("a").node.alive


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"name": "x", "topology": 3}'])
def test_what_was_never_or_badly_written_down_can_be_removed(content: bytes | None) -> None:
    name = f"half{os.getpid()}"
    directory = record.directory_of(name)
    directory.mkdir(parents=True)
    if content is not None:
        (directory / "lab.json").write_bytes(content)
    assert name in record.labs()
    assert Laboratory.open(name).hosts() == []
    Laboratory.open(name).down()
    assert not directory.exists()
