"""`docker network` on a real kernel: what is acknowledged is there, what is refused leaves nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from fairlead.model.errors import Conflict, Failed, Invalid, NotAllowed, NotFound, Refusal
from fairlead.model.network import NetworkSpec, PoolRequest
from tests.effects.kernel.conftest import ip, link
from tests.engine.networking.house import House

POOL = "invalid pool request: Pool overlaps with other one on this address space"


async def test_the_predefined_networks_stand(house: House) -> None:
    assert {network.name: network.driver for network in house.state.networks.values()} == {
        "bridge": "bridge",
        "host": "host",
        "none": "null",
    }
    (docker0,) = ip("address", "show", "dev", "docker0")
    assert [entry["local"] for entry in docker0["addr_info"]] == ["172.17.0.1"]
    await house.check()


async def test_a_network_is_a_bridge_with_the_next_pool(house: House) -> None:
    network_id = await house.network("pets")
    assert link(f"br-{network_id[:12]}") is not None
    (pool,) = house.state.network("pets").pools
    assert (str(pool.subnet), pool.gateway_shown) == ("172.18.0.0/16", True)
    assert list(house.said("create")) == ["pets"]
    await house.check()
    await house.networks.remove("pets")
    assert link(f"br-{network_id[:12]}") is None
    assert list(house.said("destroy")) == ["pets"]
    await house.check()


async def test_the_gateway_is_shown_where_the_user_named_it_and_after_a_restart(house: House) -> None:
    await house.network("s1", "10.5.0.0/24")
    await house.networks.create(NetworkSpec("s2", pools=(PoolRequest("10.6.0.0/24", gateway="10.6.0.9"),)))
    assert [house.state.network(name).pools[0].gateway_shown for name in ("s1", "s2")] == [False, True]
    await house.restart()
    assert house.state.network("s1").pools[0].gateway_shown


@pytest.mark.parametrize(
    ("spec", "refusal", "words"),
    [
        (NetworkSpec(""), Invalid, "invalid name: name is empty"),
        (NetworkSpec("bridge"), NotAllowed, "operation is not permitted on predefined bridge network "),
        (NetworkSpec("default"), NotAllowed, "operation is not permitted on predefined default network "),
        (NetworkSpec("there"), Conflict, "network with name there already exists"),
        (NetworkSpec("x", driver="foo"), NotFound, 'plugin "foo" not found'),
        (NetworkSpec("x", ipam_driver="foo"), NotFound, 'plugin "foo" not found'),
        (NetworkSpec("x", driver="host"), NotAllowed, 'only one instance of "host" network is allowed'),
        (NetworkSpec("x", driver="overlay"), NotAllowed, "This node is not a swarm manager."),
        (NetworkSpec("x", scope="swarm"), NotAllowed, "cannot create a swarm scoped network when swarm is not active"),
        (NetworkSpec("x", ingress=True), NotAllowed, "Ingress network can only be global scope network"),
        (NetworkSpec("x", enable_ipv4=False), Invalid, "IPv4 or IPv6 must be enabled"),
        (NetworkSpec("x", config_from="no"), NotFound, 'configuration network "no" does not exist'),
        (NetworkSpec("x", config_only=True, internal=True), NotAllowed, "configuration network can only contain"),
        (NetworkSpec("x", pools=(PoolRequest("10.5.0.128/25"),)), NotAllowed, POOL),
        (NetworkSpec("x", pools=(PoolRequest("172.17.0.0/16"),)), NotAllowed, POOL),
        (NetworkSpec("x", pools=(PoolRequest("10.6.0.5/24"),)), Invalid, "it should be 10.6.0.0/24"),
        (
            NetworkSpec("x", pools=(PoolRequest("10.7.0.0/24", gateway="10.7.0.0"),)),
            Failed,
            r"failed to allocate gateway \(10.7.0.0\): Address already in use",
        ),
        (
            NetworkSpec("x", options={"com.docker.network.bridge.name": "docker0"}),
            NotAllowed,
            "networks have same bridge name",
        ),
        (NetworkSpec("x", options={"com.docker.network.bridge.name": "lo"}), NotAllowed, "exists and is not a bridge"),
    ],
)
async def test_refused_and_nothing_left(house: House, spec: NetworkSpec, refusal: type[Refusal], words: str) -> None:
    await house.network("there", "10.5.0.0/24")
    with pytest.raises(refusal, match=words):
        await house.networks.create(spec)
    assert len(house.state.networks) == 4
    await house.check()


async def test_configuration_networks(house: House) -> None:
    await house.networks.create(
        NetworkSpec("cfg", pools=(PoolRequest("10.9.0.0/24"),), options={"mtu": "1"}, config_only=True)
    )
    await house.networks.create(NetworkSpec("user", config_from="cfg"))
    made = house.state.network("user")
    assert (str(made.pools[0].subnet), made.options, made.config_from) == ("10.9.0.0/24", {"mtu": "1"}, "cfg")
    with pytest.raises(NotAllowed, match='configuration network "cfg" is in use'):
        await house.networks.remove("cfg")
    with pytest.raises(NotAllowed, match="user specified configurations are not supported"):
        await house.networks.create(NetworkSpec("other", config_from="cfg", internal=True, labels={"a": "b"}))
    await house.networks.remove("user")
    await house.networks.remove("cfg")
    await house.check()


async def test_a_network_in_use_stays(house: House) -> None:
    await house.network("pets")
    await house.run("web", "pets")
    endpoint = house.endpoint("web", "pets")
    with pytest.raises(NotAllowed) as refused:
        await house.networks.remove("pets")
    assert refused.value.message == (
        'error while removing network: network pets has active endpoints (name:"web" id:"' + endpoint.id[:12] + '")'
    )
    await house.stop("web")
    await house.networks.remove("pets")
    await house.check()


async def test_prune_takes_what_nobody_uses(house: House) -> None:
    for name in ("used", "old", "labelled"):
        await house.network(name, labels={"keep": "1"} if name == "labelled" else {})
    await house.run("web", "used")
    assert await house.networks.prune({"label!": ["keep"]}) == ["old"]
    assert await house.networks.prune({"until": ["1h"]}) == []
    assert await house.networks.prune({}) == ["labelled"]
    await house.check()


async def test_a_pool_of_a_removed_network_is_free_at_once(house: House) -> None:
    await house.network("one")
    await house.networks.remove("one")
    await house.network("two")
    assert house.state.network("two").pools[0].gateway == ip_address("172.18.0.1")
