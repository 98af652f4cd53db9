"""Endpoints of any kind come and go on networks of any kind; when all are gone, nothing of them is left."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.drivers import segments
from fairlead.core.drivers.contract import Neighbourhood, Site
from fairlead.core.drivers.registry import driver
from fairlead.model.endpoint import Endpoint
from fairlead.model.host import HostLink
from fairlead.model.network import Network
from fairlead.model.plan import Plan
from tests.core.drivers.builders import EVERYTHING, endpoint, facts, network, published
from tests.core.drivers.world import World

PREFIX = "com.docker.network.bridge."
FLAGS = st.sampled_from(["true", "false"])
MODES = st.sampled_from(["nat", "nat-unprotected", "routed"])
PORTS = ["0.0.0.0:8080->80/tcp", "0.0.0.0:53->53/udp", "192.168.50.13:99->9/sctp", ":::8080->80/tcp"]
SUBNETS = st.sampled_from(["172.18.0.0/16", "fd00::/64", "172.18.0.0/16 fd00::/64"])


@st.composite
def networks(draw: st.DrawFn) -> Network:
    kind = draw(st.sampled_from(["bridge", "macvlan", "ipvlan"]))
    subnet, internal = draw(SUBNETS), draw(st.booleans())
    if kind != "bridge":
        options = draw(st.sampled_from([{}, {"parent": "eth0"}, {"parent": "eth0.10"}]))
        return network(kind, subnet=subnet, internal=internal, options=options)
    options = {f"{PREFIX}enable_icc": draw(FLAGS), f"{PREFIX}enable_ip_masquerade": draw(FLAGS)}
    options |= {f"{PREFIX}gateway_mode_ipv4": draw(MODES), f"{PREFIX}gateway_mode_ipv6": draw(MODES)}
    return network(kind, subnet=subnet, internal=internal, options=options)


def around(features: frozenset[str], *more: HostLink) -> Neighbourhood:
    links = (HostLink("eth0", 2), *more)
    return Neighbourhood(facts(*links, features=features))


def placed(net: Network, number: int, data: st.DataObject) -> tuple[Endpoint, str]:
    shown = published(*data.draw(st.lists(st.sampled_from(PORTS), unique=True)))
    segment = data.draw(st.integers(0, 2)) if net.driver == "bridge" else 0
    return replace(endpoint(number, net), published=shown, segment=segment), f"/ns/{number}"


@settings(max_examples=150, deadline=None)
@given(net=networks(), dummy=st.booleans(), data=st.data())
def test_everything_that_came_goes_again(net: Network, dummy: bool, data: st.DataObject) -> None:
    features = EVERYTHING if dummy else EVERYTHING - {"dummy"}
    kind = driver(net.driver)
    world = World()
    world.links |= {("", "eth0")}
    empty = world.seen()
    world.run(kind.create(net, around(features)))
    created = world.seen()
    present: list[tuple[Endpoint, str]] = []
    for number in range(2, 2 + data.draw(st.integers(1, 5))):
        newcomer, ns = placed(net, number, data)
        shared = segments.shared([one for one, _ in present], newcomer)
        world.run(kind.attach(net, newcomer, Site(facts(), ns, shared=shared)))
        present.append((newcomer, ns))
    for goer, ns in data.draw(st.permutations(present)):
        present.remove((goer, ns))
        shared = segments.shared([one for one, _ in present], goer)
        leave(world, kind.detach(net, goer, Site(facts(), ns, shared=shared)))
    assert world.seen() == created
    made = HostLink(net.link, 9, alias=f"fairlead:network:{net.id}")
    world.run(kind.remove(net, around(features, *([made] if net.link != "eth0" else []))))
    assert world.seen() == empty


def leave(world: World, detach: Plan) -> None:
    """A detach may be done twice, or with half of it gone: the second time there is nothing left to change."""
    world.run(detach)
    again = [operation for operation in detach.operations if type(operation).__name__ != "SetLink"]
    before = world.seen()
    world.run(Plan(tuple(again)))
    assert world.seen() == before
