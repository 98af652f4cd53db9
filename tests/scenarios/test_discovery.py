"""Overlay networks through the docker CLI: containers and services of three hosts by name, whatever happens to hosts.

lan 192.168.50.0/24 ──┬── a (.11, manager)
                      ├── b (.12, worker)
                      └── c (.13, worker)
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timed,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

LOST_SECONDS, HEALED_SECONDS = 8, 5
TASKS = 3


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b", "c"], roles={"a": "manager", "b": "worker", "c": "worker"})) as made:
        made.form_swarm()
        for host in made.hosts():
            images.provide(host, "busybox", "nginx")
        yield made


@pytest.fixture
def hosts(lab: Laboratory) -> Iterator[list[Machine]]:
    """The hosts with one container each, `ca`, `cb` and `cc`, on the attachable network `att`."""
    found = lab.hosts("a", "b", "c")
    wait_for(lambda: docker(found[0], "network create -d overlay --attachable att").returncode == 0, 20)
    for host in found:
        host.docker(f"run -d --net att --name c{host.name} nginx")
    yield found
    found[0].sh("docker service ls -q | xargs -r docker service rm", check=False)
    for host in found:
        host.sh("docker ps -aq --filter name=^/c | xargs -r docker rm -f", check=False)
    wait_for(lambda: docker(found[0], "network rm att").returncode == 0, 20)


def resolve(host: Machine, name: str) -> set[str]:
    """What the name is for the host's container."""
    said = docker(host, f"exec c{host.name} nslookup -type=a {name}.").stdout
    return set(re.findall(r"^Address: (\d\S+)$", said, re.MULTILINE))


def reaches(host: Machine, name: str) -> bool:
    return docker(host, f"exec c{host.name} ping -c 1 -W 1 {name}").returncode == 0


def all_reach_all(hosts: Sequence[Machine]) -> bool:
    return all(reaches(one, f"c{other.name}") for one, other in permutations(hosts, 2))


def test_containers_of_users_on_all_hosts_find_each_other(hosts: list[Machine]) -> None:
    wait_for(lambda: all_reach_all(hosts), 5)
    a, b, c = hosts
    (address,) = resolve(a, "cb")
    assert resolve(a, "cb.att") == resolve(c, "cb") == {address}
    b.docker("stop -t 0 cb")
    wait_for(lambda: not resolve(a, "cb") and not resolve(c, "cb"), 1)
    b.docker("start cb")
    wait_for(lambda: resolve(a, "cb") and reaches(a, "cb"), 3)


def test_a_service_is_one_name_for_all_its_tasks(hosts: list[Machine]) -> None:
    a = hosts[0]
    a.docker(f"service create -q --detach --name web --replicas {TASKS} --network att nginx")
    a.docker("service create -q --detach --name rr --replicas 2 --endpoint-mode dnsrr --network att nginx")
    for host in hosts:
        wait_for(lambda host=host: len(resolve(host, "tasks.web")) == TASKS, 20)
        assert len(resolve(host, "web")) == 1
        wait_for(lambda host=host: len(resolve(host, "rr")) == 2, 20)
        answers = {
            host.docker(f"exec c{host.name} wget -q -O - http://web/cgi-bin/who.cgi").split()[0]
            for _ in range(3 * TASKS)
        }
        assert len(answers) == TASKS, answers
    a.docker("service scale -d web=1")
    wait_for(lambda: len(resolve(hosts[2], "tasks.web")) == 1, 15)
    a.docker("service rm web rr")
    wait_for(lambda: not resolve(hosts[1], "web") and not resolve(hosts[1], "rr"), 15)


def test_a_killed_daemon_takes_names_with_it_and_brings_them_back(hosts: list[Machine]) -> None:
    a, b, c = hosts
    wait_for(lambda: all_reach_all(hosts), 5)
    (address,) = resolve(a, "cb")
    b.kill()
    try:
        wait_for(lambda: not resolve(a, "cb") and not resolve(c, "cb"), 4)
        assert reaches(a, address), "its containers run on, and are forwarded to"
    finally:
        b.start()
    wait_for(lambda: resolve(a, "cb") == {address} and resolve(b, "cc"), 2)
    assert all_reach_all(hosts)


def test_stale_entries_do_not_outlive_a_cut(lab: Laboratory, hosts: list[Machine]) -> None:
    """moby#42833, #30134: what a host missed while it was cut off stayed wrong on it until its daemon was restarted."""
    a, b, c = hosts
    wait_for(lambda: all_reach_all(hosts), 5)
    lab.isolate(b)
    try:
        wait_for(lambda: not resolve(a, "cb"), LOST_SECONDS)
        c.docker("rm -f cc")
        a.docker("run -d --net att --name cnew nginx")
        time.sleep(3)
    finally:
        lab.heal()
    wait_for(lambda: resolve(b, "cnew") and not resolve(b, "cc") and resolve(a, "cb"), HEALED_SECONDS)
    wait_for(lambda: reaches(b, "cnew") and reaches(a, "cb"), HEALED_SECONDS)
    c.docker("run -d --net att --name cc nginx")
    wait_for(lambda: all_reach_all(hosts), HEALED_SECONDS)


def test_a_container_is_known_elsewhere_within_a_second(hosts: list[Machine]) -> None:
    a, b, _ = hosts
    times = []
    for number in range(8):
        b.docker(f"run -d --net att --name cx{number} nginx")
        began = time.monotonic()
        wait_for(lambda number=number: resolve(a, f"cx{number}"), 2)
        times.append(time.monotonic() - began)
    print(f"running on b -> resolved on a: median {statistics.median(times):.3f} s, worst {max(times):.3f} s")
    assert max(times) < 1


def test_inspect_tells_who_is_on_the_network(hosts: list[Machine]) -> None:
    a = hosts[0]
    wait_for(lambda: all_reach_all(hosts), 5)
    addresses = a.docker("network inspect -f '{{range .Peers}}{{.IP}} {{end}}' att").split()
    assert addresses == [host.address for host in hosts]
    names = a.docker("network inspect -v -f '{{range .Services}}{{range .Tasks}}{{.Name}} {{end}}{{end}}' att").split()
    assert names == ["ca", "cb", "cc"]


def test_what_is_not_attachable_is_refused_with_the_reason(hosts: list[Machine]) -> None:
    a = hosts[0]
    a.docker("network create -d overlay closed")
    refused = docker(hosts[1], "run -d --net closed --name cno busybox top")
    assert refused.returncode == 125
    assert "Could not attach to network closed" in refused.stderr
    assert "network closed not manually attachable" in refused.stderr
    a.docker("network rm closed")


def test_a_published_port_answers_on_every_host_and_sees_the_client(hosts: list[Machine]) -> None:
    a = hosts[0]
    a.docker("service create -q --detach --name pub --replicas 2 -p 8080:80 nginx")
    for client in hosts:
        for host in hosts:
            url = f"http://{host.address}:8080/cgi-bin/who.cgi"
            wait_for(lambda url=url, client=client: client.address in page(client, url), 20)
    a.docker("service rm pub")
    wait_for(lambda: not page(a, f"http://{hosts[1].address}:8080/"), 15)


def page(host: Machine, url: str) -> str:
    """What the page says, "" for no answer."""
    return host.sh(f"curl -s -m 3 {url}", check=False).stdout
