"""A member's log tells of elections; nothing else does."""

from __future__ import annotations

import asyncio
import time

from fairlead.effects.etcd.elections import Elections
from tests.effects.etcd.house import Manager, eventually

AGES = 60.0


async def test_another_leader_of_the_consensus_is_heard_of(three: list[Manager]) -> None:
    """From real members: their log's words are nobody's promise."""
    leading = [await manager.leads() for manager in three]
    leader, others = three[leading.index(True)], [one for one, leads in zip(three, leading, strict=True) if not leads]
    known = [manager.store.elections.count for manager in others]
    # A killed one is back at once, may be chosen again, and then nobody hears of another leader.
    leader.pause()
    began = time.monotonic()
    await asyncio.gather(*(one.store.elections.after(count, AGES) for one, count in zip(others, known, strict=True)))
    assert time.monotonic() - began < AGES
    leader.resume()
    await eventually(others[0].answers)


async def test_what_a_former_leader_was_asked_is_not_waited_for() -> None:
    elections = Elections()
    async with asyncio.timeout(None) as limit:
        await asyncio.sleep(0)
        with elections.ending(limit):
            elections.heard("raft.node: a elected leader b at term 2")
            assert limit.when() is None, "there was none before"
            elections.heard("raft.node: a lost leader b at term 3")
            assert limit.when() is None
            elections.heard("raft.node: a elected leader c at term 3")
            soon = limit.when()
            assert soon is not None
            assert soon < asyncio.get_running_loop().time() + 1
            elections.heard("raft.node: a changed leader from c to d at term 4")
            assert limit.when() == soon
        limit.reschedule(None)
        elections.heard("raft.node: a changed leader from d to e at term 5")
        assert limit.when() is None, "nothing was asked any more"


async def test_what_was_heard_before_is_not_waited_for() -> None:
    elections = Elections()
    known = elections.count
    elections.heard("raft.node: a elected leader b at term 3")
    await elections.after(known, AGES)
    await asyncio.wait_for(elections.after(known, AGES), AGES / 2)
    elections.heard("b became leader of nothing")
    began = time.monotonic()
    await elections.after(elections.count, 0.1)
    assert time.monotonic() - began >= 0.1
