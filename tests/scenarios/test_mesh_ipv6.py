"""A mesh that was given IPv6, as docs/swarm.md says: tasks see clients of either family with their own addresses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.topology import simple
from tests.scenarios.test_mesh_swarm import PORT, TARGET, _answers, _create, _task, place
from tests.support import images
from tests.support.answering import Answer, answerers, ask, ask_by_datagram
from tests.support.machines import laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.lab,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

GATEWAY = (
    "network create --ipv6 --subnet 172.30.0.0/16 --subnet fd18::/64 -o com.docker.network.bridge.name=docker_gwbridge "
    "-o com.docker.network.bridge.enable_icc=false docker_gwbridge"
)
INGRESS = "network create -d overlay --ingress --ipv6 --subnet 10.11.0.0/24 --subnet fd10::/64 ingress"


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b", "c"], roles={"a": "manager", "b": "worker", "c": "worker"})) as made:
        a, b, c = made.hosts("a", "b", "c")
        for number, host in enumerate((a, b, c), 1):
            host.sh(f"ip -6 address add fd50::{number}/64 dev eth0 nodad")
            images.provide(host, "busybox")
            host.docker(GATEWAY)
        made.form_swarm()
        a.call("DELETE", "/v1.41/networks/ingress")
        wait_for(lambda: "ingress" not in a.docker("network ls --format {{.Name}}").split(), 20, "the old one to go")
        a.docker(INGRESS)
        _create(a, b.address)
        with answerers() as served:
            served.serve("task", _task(b), TARGET)
            for number, host in enumerate((a, b, c), 1):
                for address in (host.address, f"fd50::{number}"):
                    wait_for(partial(_answers, c, address), 20, "the mesh to answer")
            yield made


def test_clients_of_both_families_keep_their_addresses(lab: Laboratory) -> None:
    hosts, c = lab.hosts("a", "b", "c"), lab.host("c")
    for asked in (ask, ask_by_datagram):
        for number, host in enumerate(hosts, 1):
            assert asked(place(c), host.address, PORT) == Answer("task", c.address), (asked, host.name)
            assert asked(place(c), f"fd50::{number}", PORT) == Answer("task", "fd50::3"), (asked, host.name)
