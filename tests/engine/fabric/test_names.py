"""What the engine says about endpoints, and what sandboxes hear of it. Sockets are left out: resolvers are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address

import pytest

from fairlead.core.dns.answer import SandboxResolver
from fairlead.engine.fabric.names import Names
from fairlead.model.dns import DnsPorts, Upstream, Verdict
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.network import Network
from tests.core.dns.asking import told

HOST = Upstream(ip_address("192.168.50.1"))
FRONT, BACK = Network("f" * 64, "front", "bridge", 0), Network("b" * 64, "back", "bridge", 0, internal=True)


class Listeners:
    """Who listens, instead of sockets that do."""

    def __init__(self) -> None:
        self.open_now: dict[str, SandboxResolver] = {}

    def open(self, sandbox_id: str, ns_path: str, resolver: SandboxResolver, again: DnsPorts | None = None) -> DnsPorts:
        self.open_now[sandbox_id] = resolver
        return DnsPorts(1, 2)

    def close(self, sandbox_id: str) -> None:
        self.open_now.pop(sandbox_id, None)

    def counters(self) -> Mapping[str, int]:
        return {}


@pytest.fixture
def listeners() -> Listeners:
    return Listeners()


@pytest.fixture
def names(listeners: Listeners) -> Names:
    return Names(listeners)


def endpoint(name: str, network: Network, address: str, order: int = 0, links: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint(
        id=f"{name}@{network.name}",
        network_id=network.id,
        container_id=name,
        sandbox=f"box-{name}",
        name=name,
        ifname=f"eth{order}",
        mac="",
        ipv4=IPv4Interface(address),
        order=order,
        spec=EndpointSpec(links=links),
        names=(name,),
    )


async def test_networks_are_asked_in_order_of_connection_until_arranged(names: Names, listeners: Listeners) -> None:
    names.set_endpoint(endpoint("web", BACK, "10.2.0.2/24", order=1), BACK)
    names.set_endpoint(endpoint("web", FRONT, "10.1.0.2/24", order=0), FRONT)
    await names.open_sandbox("box-web", "/ns", (HOST,))
    resolver = listeners.open_now["box-web"]
    assert told(resolver.answer, "web") == ("10.1.0.2",)
    names.arrange("box-web", [BACK.id, FRONT.id])
    assert told(resolver.answer, "web") == ("10.2.0.2",)


async def test_a_renamed_container_answers_to_its_new_name_only(names: Names, listeners: Listeners) -> None:
    before = endpoint("web", FRONT, "10.1.0.2/24")
    names.set_endpoint(before, FRONT)
    await names.open_sandbox("box-web", "/ns", (HOST,))
    names.set_endpoint(replace(before, name="shop", names=("shop",)), FRONT)
    resolver = listeners.open_now["box-web"]
    assert told(resolver.answer, "shop") == ("10.1.0.2",)
    assert told(resolver.answer, "web") is Verdict.FORWARD
    assert told(resolver.answer, "2.0.1.10.in-addr.arpa", "PTR") == ("shop.front.",)


async def test_one_way_out_is_enough_to_ask_outside(names: Names, listeners: Listeners) -> None:
    names.set_endpoint(endpoint("web", BACK, "10.2.0.2/24"), BACK)
    await names.open_sandbox("box-web", "/ns", (HOST,))
    resolver = listeners.open_now["box-web"]
    assert resolver.upstreams == ()
    nameless = replace(endpoint("web", FRONT, "10.1.0.2/24", order=1), names=())
    names.set_endpoint(nameless, FRONT)
    assert resolver.upstreams == (HOST,)
    names.drop_endpoint(nameless.id)
    assert resolver.upstreams == ()
    assert told(resolver.answer, "web") == ("10.2.0.2",)


async def test_a_sandbox_without_networks_asks_nobody(names: Names, listeners: Listeners) -> None:
    await names.open_sandbox("box-web", "/ns", (HOST,))
    assert listeners.open_now["box-web"].upstreams == ()


async def test_opening_again_changes_the_servers(names: Names, listeners: Listeners) -> None:
    names.set_endpoint(endpoint("web", FRONT, "10.1.0.2/24"), FRONT)
    await names.open_sandbox("box-web", "/ns", ())
    other = Upstream(ip_address("10.0.0.1"), inside=True)
    await names.open_sandbox("box-web", "/ns", (other,))
    assert listeners.open_now["box-web"].upstreams == (other,)


async def test_containers_that_see_the_same_share_a_view(names: Names, listeners: Listeners) -> None:
    for number in range(3):
        names.set_endpoint(endpoint(f"c{number}", FRONT, f"10.1.0.{number + 2}/24"), FRONT)
        await names.open_sandbox(f"box-c{number}", "/ns", (HOST,))
    assert len({id(resolver.view) for resolver in listeners.open_now.values()}) == 1


async def test_nothing_is_kept_of_what_is_gone(names: Names, listeners: Listeners) -> None:
    gone = endpoint("web", FRONT, "10.1.0.2/24", links=("db:store",))
    names.set_endpoint(gone, FRONT)
    await names.open_sandbox("box-web", "/ns", (HOST,))
    await names.close_sandbox("box-web")
    names.drop_endpoint(gone.id)
    names.drop_endpoint(gone.id)
    assert not names._sandboxes
    assert not names._directory._zones
    assert not listeners.open_now
