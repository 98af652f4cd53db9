"""One leads; when it cannot any more another does, and the first can write nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from fairlead.model.swarm.errors import Deposed
from tests.effects.etcd.house import Manager, task

TTL = 2.0


async def test_one_of_many_leads_and_all_know(three: list[Manager]) -> None:
    campaigns = [asyncio.create_task(manager.store.campaign(manager.name, TTL)) for manager in three]
    done, waiting = await asyncio.wait(campaigns, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    leader = three[campaigns.index(next(iter(done)))].name
    for manager in three:
        assert await manager.store.leader() == leader
    await next(iter(done)).result().resign()
    done, waiting = await asyncio.wait(waiting, timeout=1.5, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1
    for campaign in waiting:
        campaign.cancel()
    await next(iter(done)).result().resign()


async def test_changes_of_leaders_are_told(alone: Manager) -> None:
    async with aclosing(alone.store.leaders()) as leaders:  # type: ignore[type-var]
        assert await anext(leaders) == ""
        first = await alone.store.campaign("n1", TTL)
        assert await anext(leaders) == "n1"
        await first.resign()
        assert await anext(leaders) == ""
        second = await alone.store.campaign("n2", TTL)
        assert await anext(leaders) == "n2"
        await second.resign()


async def test_the_leader_keeps_its_lease(alone: Manager) -> None:
    leadership = await alone.store.campaign("n1", TTL)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(leadership.lost(), 2 * TTL)
    await alone.store.commit([task("t1")], leadership.fence)
    await leadership.resign()


@pytest.mark.timed
async def test_a_leader_that_is_cut_off_knows_it_and_another_leads_soon(three: list[Manager]) -> None:
    leader, *others = three
    leadership = await leader.store.campaign(leader.name, TTL)
    await others[0].store.commit([task("t1")], leadership.fence)
    rivals = [asyncio.create_task(manager.store.campaign(manager.name, TTL)) for manager in others]
    leader.cut()
    cut = time.monotonic()
    await asyncio.wait_for(leadership.lost(), TTL + 0.5)
    done, waiting = await asyncio.wait(rivals, timeout=8, return_when=asyncio.FIRST_COMPLETED)
    won = next(iter(done)).result()
    assert time.monotonic() - cut < 3.5
    await others[0].store.commit([task("t2")], won.fence)
    leader.heal()
    with pytest.raises(Deposed):
        await others[1].store.commit([task("t3")], leadership.fence)
    for campaign in waiting:
        campaign.cancel()
    await won.resign()


@pytest.mark.timed
async def test_a_leader_that_was_stopped_in_its_tracks_writes_nothing_when_it_wakes(three: list[Manager]) -> None:
    leader, *others = three
    leadership = await leader.store.campaign(leader.name, TTL)
    leader.pause()
    began = time.monotonic()
    await asyncio.wait_for(leadership.lost(), 2 * TTL)
    won = await asyncio.wait_for(others[0].store.campaign("n2", TTL), 8)
    assert time.monotonic() - began < 6
    leader.resume()
    with pytest.raises(Deposed):
        await others[1].store.commit([task("t1")], leadership.fence)
    await won.resign()
