"""Where the default route goes: highest priority, then the first name, never an internal network."""

from __future__ import annotations

from dataclasses import replace

from fairlead.engine import gateway
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.plan import AddRoute, DelRoute
from tests.engine import builders

WEB = builders.container("web")
NETWORKS = {
    network.id: network
    for network in (
        builders.network("alpha", "10.62.0.0/24"),
        builders.network("mid", "10.61.0.0/24"),
        builders.network("aaint", "10.70.0.0/24", internal=True),
    )
}


def on(name: str, address: str, priority: int = 0, **fields: object) -> Endpoint:
    network = next(network for network in NETWORKS.values() if network.name == name)
    return builders.endpoint(WEB, network, address, spec=EndpointSpec(gw_priority=priority), **fields)


ALPHA, MID = on("alpha", "10.62.0.2/24", ifname="eth1"), on("mid", "10.61.0.2/24")
INTERNAL = on("aaint", "10.70.0.2/24", gateway="")


def test_the_first_name_wins() -> None:
    assert gateway.chosen([MID, ALPHA, INTERNAL], NETWORKS, 4) == ALPHA


def test_a_higher_priority_wins_over_the_name() -> None:
    preferred = on("mid", "10.61.0.2/24", priority=1)
    assert gateway.chosen([ALPHA, preferred], NETWORKS, 4) == preferred


def test_internal_networks_never_and_families_apart() -> None:
    assert gateway.chosen([INTERNAL], NETWORKS, 4) is None
    assert gateway.chosen([ALPHA], NETWORKS, 6) is None


def test_names_are_asked_in_gateway_order_internal_last() -> None:
    assert gateway.in_order([INTERNAL, MID, ALPHA], NETWORKS) == [ALPHA, MID, INTERNAL]


def test_the_route_moves_only_when_it_has_to() -> None:
    assert gateway.moved(MID, replace(MID, names=("other",)), 4, "/ns") == []
    assert gateway.moved(MID, ALPHA, 4, "/ns") == [AddRoute(None, "eth1", ALPHA.gateway4, "/ns", 4)]
    assert gateway.moved(ALPHA, None, 4, "/ns") == [DelRoute(None, "eth1", ALPHA.gateway4, "/ns", 4)]
    assert gateway.moved(None, None, 4, "/ns") == []
