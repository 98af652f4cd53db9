"""The default bridge network over restarts: it stays while it is what would be made today."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Network

import pytest

from fairlead.model.config import DaemonConfig, DefaultBridge
from fairlead.model.errors import Failed
from tests.effects.kernel.conftest import link, run
from tests.engine import builders
from tests.engine.networking.house import House

NAME = "bridge"


def index() -> int:
    found = link("docker0")
    assert found is not None
    return int(found["ifindex"])


def configure(house: House, **bridge: object) -> None:
    changed: DaemonConfig = replace(house.config, bridge=DefaultBridge(**bridge))  # type: ignore[arg-type]
    house.config = changed


async def test_it_stays_while_nothing_changes(house: House) -> None:
    for configured in (
        {},
        {"bip": IPv4Interface("10.9.0.1/24"), "fixed_cidr6": IPv6Network("fd09::/64"), "icc": False},
    ):
        configure(house, **configured)
        await house.restart()
        before, there = house.state.network(NAME), index()
        await house.restart()
        assert (house.state.network(NAME), index()) == (before, there)
        await house.check()


async def test_it_follows_the_configuration(house: House) -> None:
    before = house.state.network(NAME)
    configure(house, mtu=1400)
    await house.restart()
    after = house.state.network(NAME)
    assert after.id != before.id
    assert after.options["com.docker.network.driver.mtu"] == "1400"
    assert link("docker0")["mtu"] == 1400  # type: ignore[index]
    await house.check()


async def test_it_gives_way_to_a_route_of_the_host(house: House) -> None:
    before = house.state.network(NAME)
    run("ip", "route", "add", f"{before.pools[0].subnet.network_address}/24", "dev", "lo")
    await house.restart()
    assert not house.state.network(NAME).pools[0].subnet.overlaps(before.pools[0].subnet)
    await house.check()


async def test_it_is_made_again_where_it_was_taken_away(house: House) -> None:
    before = house.state.network(NAME)
    await house.die()
    run("ip", "link", "del", "docker0")
    await house.start()
    assert house.state.network(NAME) == before
    assert link("docker0") is not None
    await house.check()


async def test_somebody_elses_is_refused(house: House) -> None:
    await house.die()
    run("ip", "link", "set", "docker0", "alias", "somebody")
    with pytest.raises(Failed, match="docker0 exists and does not belong to this daemon"):
        await house.start()
    run("ip", "link", "del", "docker0")
    await house.die()
    await house.start()


async def test_it_stays_for_its_containers(house: House) -> None:
    await house.run()
    before = house.state.network(NAME)
    configure(house, mtu=1400)
    await house.restart()
    assert house.state.network(NAME) == before
    assert house.state.endpoints_of(builders.container("web").id)[0].ipv4 == IPv4Interface("172.17.0.2/16")
    await house.stop("web")
