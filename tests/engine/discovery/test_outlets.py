"""In which order differences reach those who act on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, cast

import pytest

from fairlead.core.discovery.differences import Differences
from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.view import NetworkView
from fairlead.core.dns.zone import Entry
from fairlead.engine.discovery.outlets import Actors, Outlets
from fairlead.engine.fabric.names import Names
from fairlead.model.errors import Failed
from fairlead.model.network import Network
from tests.core.discovery.rows import HERE, task

ATT = Network("att", "att", "overlay", 0)
VIP = ip_address("10.0.1.2")


class Shown:
    """The names that can be resolved."""

    def __init__(self) -> None:
        self.owners: dict[str, Entry] = {}
        self.partial: set[str] = set()

    def learning(self, network: Network) -> None:
        self.partial.add(network.id)

    def learned(self, network_id: str) -> None:
        self.partial.discard(network_id)

    def put_shared(self, network: Network, entry: Entry) -> None:
        self.owners[entry.owner] = entry

    def drop_shared(self, network_id: str, owner: str) -> None:
        self.owners.pop(owner, None)


class Slow:
    """Balancing in a kernel that takes its time."""

    def __init__(self) -> None:
        self.asked, self.done = asyncio.Event(), asyncio.Event()
        self.fails = False
        self.completed: list[str] = []

    async def services(self, network_id: str, changed: Mapping[Any, Any]) -> None:
        self.asked.set()
        await self.done.wait()
        if self.fails:
            raise Failed("no")

    async def complete(self, network_id: str) -> None:
        self.completed.append(network_id)

    def drop(self, network_id: str) -> None:
        pass


class Told:
    def __init__(self) -> None:
        self.view, self.shown, self.slow = NetworkView(HERE), Shown(), Slow()
        self.outlets = Outlets(cast(Names, self.shown), Actors(balancing=self.slow))

    def spread(self, network: Network = ATT) -> Differences:
        taken = self.view.take()
        self.outlets.spread(network, taken)
        return taken


async def test_a_service_is_known_by_name_when_its_address_leads_somewhere() -> None:
    told = Told()
    told.view.put(task("web", 1, "10.0.1.5", vip=str(VIP)))
    named = {one.owner for one in told.spread().named}
    await told.slow.asked.wait()
    assert not told.shown.owners
    told.slow.done.set()
    await told.outlets.settled()
    assert set(told.shown.owners) == named


async def test_what_goes_before_its_name_was_shown_never_gets_one() -> None:
    told = Told()
    one = task("web", 1, "10.0.1.5", vip=str(VIP))
    told.view.put(one)
    told.spread()
    await told.slow.asked.wait()
    told.view.drop(Origin(one.node_id, one.endpoint_id))
    told.spread()
    told.slow.done.set()
    await told.outlets.settled()
    assert not told.shown.owners


async def test_names_are_shown_also_where_balancing_cannot_be_changed() -> None:
    told = Told()
    told.slow.fails = True
    told.slow.done.set()
    told.view.put(task("web", 1, "10.0.1.5", vip=str(VIP)))
    told.spread()
    await told.outlets.settled()
    assert told.shown.owners


async def test_nobody_has_a_name_on_the_ingress_network() -> None:
    told = Told()
    told.slow.done.set()
    told.view.put(task("web", 1, "10.0.1.5", vip=str(VIP)))
    assert told.spread(replace(ATT, ingress=True)).named
    await told.outlets.settled()
    assert told.slow.asked.is_set()
    assert not told.shown.owners


@pytest.mark.parametrize("given_up", [False, True])
async def test_what_an_earlier_life_has_left_balances_on_until_all_is_told(given_up: bool) -> None:
    told = Told()
    told.slow.done.set()
    told.outlets.inherit([ATT])
    told.view.put(task("web", 1, "10.0.1.5", vip=str(VIP)))
    told.spread()
    await told.outlets.settled()
    assert not told.slow.asked.is_set()
    assert told.shown.owners, "names are answered at once: the addresses behind them lead somewhere still"
    if given_up:
        told.outlets.enough()
    else:
        told.outlets.told(ATT.id)
    await told.outlets.settled()
    assert told.slow.asked.is_set()
    assert told.slow.completed == [ATT.id]


@pytest.mark.parametrize("end", [Outlets.name_unknown, Outlets.enough, lambda outlets: outlets.told(ATT.id)])
async def test_names_of_an_earlier_life_may_be_told_until_they_are_waited_for_no_more(
    end: Callable[[Outlets], None],
) -> None:
    told = Told()
    told.slow.done.set()
    told.outlets.inherit([ATT])
    assert told.shown.partial == {ATT.id}
    end(told.outlets)
    assert not told.shown.partial
    await told.outlets.settled()


async def test_what_nobody_tells_of_any_more_is_completed_too() -> None:
    told = Told()
    told.outlets.inherit([ATT])
    told.outlets.told(ATT.id)
    await told.outlets.settled()
    assert told.slow.completed == [ATT.id]
