"""Many at once: more endpoints than a bridge has ports, hundreds of networks, a thousand ports, fifty starts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead.lab.machine import Machine
from tests.chaos.api import Api, spec
from tests.chaos.audit import Audit, ask
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

CLIENTS = 4


@pytest.fixture
def host() -> Iterator[Machine]:
    with machine() as host:
        provide(host, "busybox")
        yield host


def test_three_hundred_networks(host: Machine) -> None:
    api = Api(host.socket)
    names = [f"net{number}" for number in range(300)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(api.create_network, names))
        list(clients.map(lambda name: api.run(f"on-{name}", spec(name)), names[::50]))
        assert not Audit(host).faults()
        list(clients.map(lambda name: api.delete(f"/containers/on-{name}?force=1"), names[::50]))
        list(clients.map(lambda name: api.delete(f"/networks/{name}"), names))
    assert not Audit(host).faults()


def test_a_thousand_published_ports(host: Machine) -> None:
    api = Api(host.socket)
    ports = range(10000, 11000)
    web = api.run("web", spec(ports=dict.fromkeys(ports, 80)))[:12]
    questions = [("", "http", f"127.0.0.1:{port}", web) for port in ports[::50]]
    assert not list(ask(host, [*questions, *(("", "free", str(port), "no") for port in ports)]))
    api.delete("/containers/web?force=1")
    assert not list(ask(host, [("", "free", str(port), "yes") for port in ports]))


def test_fifty_starts_at_once(host: Machine) -> None:
    api = Api(host.socket)
    api.create_network("pets")
    with ThreadPoolExecutor(50) as clients:
        list(clients.map(lambda number: api.run(f"c{number}", spec("pets", {0: 80})), range(50)))
    assert not Audit(host).faults()
    with ThreadPoolExecutor(50) as clients:
        list(clients.map(lambda number: api.delete(f"/containers/c{number}?force=1"), range(50)))
    api.delete("/networks/pets")
    assert not Audit(host).faults()
