"""More endpoints than a bridge has ports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.drivers import segments
from fairlead.core.drivers.bridge import Bridge
from fairlead.core.drivers.contract import Attachment
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.network import Network
from fairlead.model.plan import Plan
from tests.core.drivers.builders import around, endpoint, facts, network, site
from tests.core.drivers.world import World

BRIDGE = Bridge()
LIMIT = 1023


class Crowd:
    """Endpoints that come and go on one network, each in a sandbox of its own."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.endpoints: list[Endpoint] = []
        self.world = World().run(BRIDGE.create(net, around()))

    def join(self, number: int) -> Endpoint:
        newcomer = replace(endpoint(number, self.net), segment=segments.place(self.endpoints))
        shared = segments.shared(self.endpoints, newcomer)
        self.world.run(BRIDGE.attach(self.net, newcomer, site(f"/ns/{number}", shared=shared)))
        self.endpoints.append(newcomer)
        return newcomer

    def leave(self, goer: Endpoint) -> None:
        self.endpoints.remove(goer)
        shared = segments.shared(self.endpoints, goer)
        self.world.run(BRIDGE.detach(self.net, goer, site("", shared=shared)))

    def bridges(self) -> dict[str, int]:
        return {name: self.world.ports(name) for ns, name in self.world.links if name.startswith("br-")}


def test_2500_endpoints_hang_on_three_bridges_none_over_its_ports() -> None:
    crowd = Crowd(network())
    for number in range(2, 2502):
        crowd.join(number)
    bridges = crowd.bridges()
    assert len(bridges) == 3
    assert max(bridges.values()) <= LIMIT
    assert bridges[crowd.net.link] == 1000 + 2
    assert sum(bridges.values()) == 2500 + 2 * 2


def test_room_that_is_freed_is_used_again() -> None:
    crowd = Crowd(network())
    joined = [crowd.join(number) for number in range(2, 1003)]
    assert joined[-1].segment == 1
    crowd.leave(joined[0])
    assert crowd.join(5000).segment == 0


def test_a_segment_goes_with_its_last_endpoint() -> None:
    crowd = Crowd(network())
    joined = [crowd.join(number) for number in range(2, 1004)]
    before = Crowd(network()).world.links
    for goer in joined[-2:]:
        assert len(crowd.bridges()) == 2
        crowd.leave(goer)
    assert len(crowd.bridges()) == 1
    for goer in joined[:-2]:
        crowd.leave(goer)
    assert crowd.world.links == before


def test_where_containers_may_not_talk_the_tie_is_isolated_at_the_networks_end_alone() -> None:
    crowd = Crowd(network(options={"com.docker.network.bridge.enable_icc": "false"}))
    far = replace(endpoint(2, crowd.net), segment=1)
    crowd.world.run(BRIDGE.attach(crowd.net, far, site("/ns/2")))
    ties = {name for _, name in crowd.world.links if name.startswith(("dn-", "up-"))}
    isolated = {name for _, name in crowd.world.isolated}
    assert len(ties) == 2
    assert isolated == {far.host_ifname, next(name for name in ties if name.startswith("dn-"))}


def test_names_fit_linux() -> None:
    net = network()
    for segment in range(1, segments.SEGMENTS):
        ground = segments.build(net, segment, "fairlead", 1500, icc=True)
        assert all(len(name) <= 15 for name in (getattr(operation, "name", "") for operation in ground))


def test_a_full_star_says_so() -> None:
    some = [replace(endpoint(n), segment=n % segments.SEGMENTS) for n in range(segments.SEGMENTS * 2)]
    with pytest.raises(Failed, match="the network is full: it has 32 endpoints, and 16 bridges of 2 ports"):
        segments.place(some, ports=2)


def test_segments_in_use_are_expected() -> None:
    net = network()
    far = replace(endpoint(2, net), segment=1)
    expected = BRIDGE.expected(net, [Attachment(far, "/ns/2")], facts())
    world = World().run(Plan(expected.operations))
    made = World().run(BRIDGE.create(net, around()) + BRIDGE.attach(net, far, site("/ns/2")))
    assert world.links == made.links
    assert world.masters == made.masters
