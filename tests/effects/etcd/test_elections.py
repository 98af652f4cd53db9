"""A member's log tells of elections; nothing else does."""

from __future__ import annotations

import asyncio
import time

from fairlead.effects.etcd.elections import Elections
from tests.effects.etcd.house import Manager, eventually

AGES = 60.0


async def test_another_leader_of_the_consensus_is_heard_of(three: list[Manager]) -> None:
    """From real members: their log's words are nobody's promise."""
    first, second, third = three
    assert await first.leads()
    known = [manager.store.elections.count for manager in (second, third)]
    first.kill()
    began = time.monotonic()
    await asyncio.gather(
        *(one.store.elections.after(count, AGES) for one, count in zip((second, third), known, strict=True))
    )
    assert time.monotonic() - began < AGES / 2
    await eventually(second.answers)


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
