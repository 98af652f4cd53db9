"""Somebody else deletes what is ours: it is back within two seconds, as it was, and the log says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from fairlead.core.firewall.table import NAME
from fairlead.engine.fabric.expectation import Expectation
from fairlead.model.endpoint import PortRequest
from fairlead.model.network import NetworkSpec, PoolRequest
from tests.effects.kernel.conftest import ip, run
from tests.engine.networking.house import House

pytestmark = pytest.mark.timed

WITHIN = 2.0


async def soon(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await holds():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)


async def test_a_veth_pair(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.networks.create(
        NetworkSpec("pets", enable_ipv6=True, pools=(PoolRequest("10.5.0.0/24"), PoolRequest("fd00:5::/64")))
    )
    await house.run("web", "pets")
    before, ns = house.endpoint("web", "pets"), house.ns("web")
    shape = ip("address", "show", "eth0", ns=ns)[0], ip("route", "show", ns=ns), ip("-6", "route", "show", ns=ns)
    with caplog.at_level(logging.WARNING, "fairlead"):
        run("ip", "link", "delete", before.host_ifname)
        await soon(lambda: back(house))
    after = ip("address", "show", "eth0", ns=ns)[0]
    assert after["address"] == shape[0]["address"]
    assert {entry["local"] for entry in after["addr_info"]} == {entry["local"] for entry in shape[0]["addr_info"]}
    assert ip("route", "show", ns=ns) == shape[1]
    assert len(ip("-6", "route", "show", ns=ns)) == len(shape[2])
    assert "repairing" in caplog.text
    await house.check()


async def test_a_bridge_with_its_ports(house: House) -> None:
    await house.network("pets")
    await house.run("a1", "pets")
    await house.run("a2", "pets")
    run("ip", "link", "delete", house.state.network("pets").link)
    await soon(lambda: back(house))
    assert run("ping", "-c1", "-W2", "172.18.0.3", ns=house.ns("a1"))
    await house.check()


async def test_an_address_of_a_bridge_comes_back_with_the_bridge(house: House) -> None:
    await house.run("web")
    run("ip", "link", "delete", "docker0")
    await soon(lambda: back(house))
    assert run("ping", "-c1", "-W2", "172.17.0.1", ns=house.ns("web"))


async def test_the_table(house: House) -> None:
    await house.run("web", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    run("nft", "delete", "table", "inet", NAME)
    await soon(lambda: table_back(house))
    await house.check()


async def test_the_whole_ruleset_of_the_host(house: House) -> None:
    await house.run("web", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    run("nft", "flush", "ruleset")
    await soon(lambda: table_back(house))
    await house.check()


async def test_one_element(house: House) -> None:
    await house.run("web", ports=(PortRequest(80, host_ports=(8080, 8080)),))
    run("nft", "flush", "map", "inet", NAME, "any4")
    await soon(lambda: table_back(house))
    await house.check()


async def back(house: House) -> bool:
    return not await house.kernel.missing(Expectation(house.fabric).operations())


async def table_back(house: House) -> bool:
    found = await house.kernel.elements("inet", NAME, "any4")
    return bool(found)
