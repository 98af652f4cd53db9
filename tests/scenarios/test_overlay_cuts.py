"""Whatever happens to hosts: within seconds of its end, what is forwarded, named and balanced is what is there.

lan 192.168.50.0/24 ──┬── a (.11) ─┐
                      ├── b (.12)  ├ all managers; `ca`, `cb`, `cc` and a task of `web` each, on the network `att`
                      └── c (.13) ─┘

Stale entries of overlay networks are what Docker's users have suffered since 2017 (moby#30134, #30487, #32195, #33589,
#35277, #42833, #52661): a host that missed something while it was cut off, restarted or overloaded kept forwarding and
resolving to where a container no longer was, until somebody restarted its daemon. So every test here compares
everything (`overlay_truth`) on every host. FAIRLEAD_CUT_SECONDS=120 makes the cuts longer than 10 seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from tests.scenarios.overlay_truth import Station, Truth, answering, everywhere, resolved
from tests.support import images
from tests.support.answering import connect
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

CUT_SECONDS = float(os.environ.get("FAIRLEAD_CUT_SECONDS", "10"))
HEALED_SECONDS = 5.0
SUBNET4, SUBNET6 = "10.77.0.0/24", "fd77::/64"
TASKS = 3


@dataclass
class Town:
    """Three hosts on one network, and what must be gone from it at the end of a test."""

    lab: Laboratory
    vip: str
    gone: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> list[Machine]:
        return self.lab.hosts("a", "b", "c")

    def truth(self) -> Truth:
        return Truth(self.hosts, "att", {"web": self.vip}, self.gone)

    def station(self, name: str) -> Station:
        return next(each for each in everywhere(self.hosts, "att") if each.name == name)

    def scale(self, host: Machine, tasks: int) -> None:
        host.docker(f"service scale -d web={tasks}")

    def report(self, took: float) -> None:
        print(f"everything was the truth after {took:.1f} s")


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b", "c"], roles=dict.fromkeys("abc", "manager"))) as made:
        made.form_swarm()
        a = made.host("a")
        for host in made.hosts():
            images.provide(host, "nginx")
        a.docker(f"network create -d overlay --attachable --subnet {SUBNET4} --ipv6 --subnet {SUBNET6} att")
        a.docker(f"service create -q --detach --name web --replicas {TASKS} --restart-delay 1s --network att nginx")
        yield made


@pytest.fixture
def town(lab: Laboratory) -> Iterator[Town]:
    """`ca`, `cb`, `cc` and all tasks run, and everything is known everywhere."""
    a = lab.host("a")
    wait_for(lambda: docker(a, "service inspect web").returncode == 0, 20)
    vip = a.docker("service inspect -f '{{(index .Endpoint.VirtualIPs 0).Addr}}' web").partition("/")[0]
    made = Town(lab, vip)
    wait_for(lambda: docker(a, f"service scale -d web={TASKS}").returncode == 0, 20)
    for host in made.hosts:
        if not runs(host, f"c{host.name}"):
            host.sh(f"docker rm -f c{host.name}", check=False)
            run(host, f"c{host.name}")
    wait_for(lambda: len(everywhere(made.hosts, "att")) == TASKS + 3, 30, "all tasks and containers to run")
    made.truth().wait(10)
    yield made
    lab.heal()
    for host in made.hosts:
        host.start()
        host.sh("docker ps -aq --filter name=^/x | xargs -r docker rm -f", check=False)


def runs(host: Machine, name: str) -> bool:
    return docker(host, f"inspect -f '{{{{.State.Running}}}}' {name}").stdout.strip() == "true"


def run(host: Machine, name: str, *flags: str) -> None:
    """A container on the network, as soon as the managers give it a place."""
    line = f"run -d --net att --name {name} {' '.join(flags)} nginx"
    wait_for(lambda: docker(host, line).returncode == 0 or not docker(host, f"rm -f {name}"), 20, line)


def all_find(town: Town, name: str, address: str) -> bool:
    """Whether every container reaches this one at the address."""
    short = town.station(name).container[:12]
    return all(answering(other.ns, address, within=0.3) == short for other in everywhere(town.hosts, "att"))


@contextmanager
def deaf(hosts: Sequence[Machine], ports: str) -> Iterator[None]:
    """Nothing to or from these ports enters or leaves the hosts, while the rest of the underlay is alive."""
    drops = "".join(f"meta l4proto {{ tcp, udp }} th {end} {{ {ports} }} drop\n" for end in ("sport", "dport"))
    hooks = ("input", "output")
    rules = "".join(f"chain {hook} {{\ntype filter hook {hook} priority -200\n{drops}}}\n" for hook in hooks)
    for host in hosts:
        host.node.nft(f"table inet deaf {{\n{rules}}}\n")
    try:
        yield
    finally:
        for host in hosts:
            host.node.nft("delete table inet deaf")


def test_no_stale_overlay_entry_outlives_a_partition(town: Town) -> None:
    """moby#30134, #42833: on both sides containers come, go and take over addresses, and a service is scaled."""
    a, b, c = town.hosts
    left = town.station("ca").ipv4
    town.lab.isolate(c)
    began = time.monotonic()
    wait_for(lambda: not resolved(town.station("cb").ns, "cc"), 10, "c to be missed")
    a.docker("rm -f ca")
    run(b, "xreborn", "--ip", left)
    c.docker("rm -f cc")
    town.gone += ["ca", "cc"]
    town.scale(a, 1)
    time.sleep(max(0.0, CUT_SECONDS - (time.monotonic() - began)))
    town.scale(a, TASKS + 2)
    town.lab.heal()
    town.report(town.truth().wait(HEALED_SECONDS))


def test_a_killed_daemon_learns_what_it_missed(town: Town) -> None:
    """moby#30487, #32195: `kill -9`, and the daemon is back. Its containers run on and are forwarded to meanwhile."""
    a, b, c = town.hosts
    far, left = town.station("cc"), town.station("ca").ipv4
    c.kill()
    a.docker("rm -f ca")
    run(b, "xreborn", "--ip", left)
    town.gone.append("ca")
    town.scale(a, 1)
    assert answering(town.station("cb").ns, far.ipv4) == far.container[:12]
    assert answering(far.ns, town.station("cb").ipv4) == town.station("cb").container[:12]
    town.scale(a, TASKS + 1)
    c.start()
    town.report(town.truth().wait(HEALED_SECONDS))


def test_a_host_that_was_rebooted_forwards_to_what_runs(town: Town) -> None:
    _, b, c = town.hosts
    address = town.station("cc").ipv4
    town.lab.reboot("c")
    town.gone.append("cc")
    town.report(town.truth().wait(HEALED_SECONDS))
    c.docker("rm -f cc")
    run(b, "xreborn", "--ip", address)
    town.report(town.truth().wait(HEALED_SECONDS))


def test_without_a_majority_of_managers_what_runs_is_known_and_what_ends_is_not(town: Town) -> None:
    a, b, c = town.hosts
    with deaf([b, c], "2377, 2378"):
        wait_for(lambda: docker(a, "node ls").returncode, 15, "the managers to miss each other")
        town.truth().wait(HEALED_SECONDS)
        c.docker("stop -t 0 cc")
        b.docker("kill cb")
        town.gone += ["cb", "cc"]
        town.truth().wait(HEALED_SECONDS)
        time.sleep(CUT_SECONDS / 4)
        assert not town.truth().differences()
    wait_for(lambda: docker(a, "node ls").returncode == 0, 15, "a majority")
    town.report(town.truth().wait(HEALED_SECONDS))


def test_gossip_that_is_cut_off_keeps_the_packets_flowing(town: Town) -> None:
    """moby#33589, #35277: the underlay is alive, port 7946 is not."""
    _, b, c = town.hosts
    one, far = town.station("ca"), town.station("cc")
    with connect(one.ns, far.ipv4, 80) as held:
        with deaf([c], "7946"):
            wait_for(lambda: not resolved(one.ns, "cc"), 15, "c to be missed")
            began = time.monotonic()
            while time.monotonic() - began < CUT_SECONDS / 2:
                assert answering(one.ns, far.ipv4) == far.container[:12]
                assert answering(far.ns, one.ipv4) == one.container[:12]
                time.sleep(0.2)
            c.docker("rm -f cc")
            b.docker("rm -f cb")
            town.gone += ["cc", "cb"]
            run(c, "xnew")
        took = town.truth().wait(HEALED_SECONDS)
        held.close()
    town.report(took)


@pytest.mark.parametrize("mac", ["", "02:42:de:ad:00:%02x"], ids=["same-mac", "other-mac"])
def test_an_address_that_moves_between_hosts_is_found_at_once(town: Town, mac: str) -> None:
    """moby#52661: a container is reborn with its address elsewhere, again and again; those who just spoke to it reach
    it there."""
    address = town.station("cc").ipv4
    town.hosts[2].docker("rm -f cc")
    town.gone.append("cc")
    slowest = 0.0
    for number, host in enumerate([*town.hosts, *town.hosts]):
        name = f"xreborn{number}"
        run(host, name, "--ip", address, *([f"--mac-address {mac % number}"] if mac else []))
        began = time.monotonic()
        wait_for(partial(all_find, town, name, address), 3, f"{name} to be reached by all")
        slowest = max(slowest, time.monotonic() - began)
        host.docker(f"rm -f {name}")
        town.gone.append(name)
    print(f"reached by all at the latest after {slowest:.2f} s")
    town.truth().wait(HEALED_SECONDS)
