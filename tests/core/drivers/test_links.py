"""Legacy links where containers may not talk."""

from __future__ import annotations

from fairlead.core.drivers.links import close_link, needed, open_link
from fairlead.model.plan import Plan
from tests.core.drivers.builders import endpoint, network
from tests.core.drivers.world import World

APART = network(options={"com.docker.network.bridge.enable_icc": "false"})
CLIENT, SERVER = endpoint(2, APART), endpoint(3, APART)
PORTS = ("80/tcp", "53/udp")


def test_only_such_networks_need_it() -> None:
    assert needed(APART)
    assert not needed(network())


def test_both_ends_route_by_the_gateway_and_the_exposed_ports_open() -> None:
    world = World().run(open_link(CLIENT, SERVER, ("/ns/a", "/ns/b"), PORTS))
    assert {(ns, str(to), str(via)) for ns, to, _, via, _ in world.routes} == {
        ("/ns/a", "172.18.0.3/32", "172.18.0.1"),
        ("/ns/b", "172.18.0.2/32", "172.18.0.1"),
    }
    assert len(world.elements) == 2


def test_closing_takes_all_back() -> None:
    world = World().run(open_link(CLIENT, SERVER, ("/ns/a", "/ns/b"), PORTS))
    world.run(close_link(CLIENT, SERVER, ("/ns/a", "/ns/b"), PORTS))
    assert world.seen() == World().seen()


def test_a_sandbox_that_is_gone_is_not_asked() -> None:
    plan = close_link(CLIENT, SERVER, ("", "/ns/b"), PORTS)
    assert {getattr(operation, "ns", "") for operation in plan.operations} == {"", "/ns/b"}
    assert isinstance(plan, Plan)
