"""More endpoints on one network than a bridge has ports, arriving and leaving many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fairlead.core.drivers import segments
from tests.effects.kernel.conftest import ip, run
from tests.engine.networking.house import House

BEYOND = 24
AT_ONCE = 32


async def for_each(names: Sequence[str], verb: Callable[[str], Awaitable[object]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await verb(name)

    await asyncio.gather(*map(one, names))


async def test_a_thousand_and_more(house: House) -> None:
    """Those beyond the first bridge arrive together: none of them may leave the second bridge to another."""
    network = house.state.networks[await house.network("pets", "10.5.0.0/16")]
    names = [f"c{number}" for number in range(segments.PORTS + BEYOND)]
    await for_each(names, lambda name: house.run(name, "pets"))
    far = segments.master(network, 1)
    assert len(ip("link", "show", "master", network.link)) == segments.PORTS + 1
    assert len(ip("link", "show", "master", far)) == BEYOND + 1
    there = [name for name in names if house.endpoint(name, "pets").segment == 1]
    address = house.endpoint(there[-1], "pets").ipv4
    near = next(name for name in names if name not in there)
    assert address is not None
    assert run("ping", "-c1", "-W2", str(address.ip), ns=house.ns(near))
    assert run("ping", "-c1", "-W2", str(address.ip))
    await for_each(there, house.stop)
    links = {link["ifname"] for link in ip("link", "show")}
    assert network.link in links
    assert far not in links
    await for_each([name for name in names if name not in there], house.stop)
    await house.networks.remove("pets")
    await house.check()
