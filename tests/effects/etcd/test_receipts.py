"""Receipts of commits: a life's own are never swept away, and one that was lost stands in nobody's way."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.effects.etcd.gateway import text64
from fairlead.effects.etcd.keys import end_of, receipts_key
from fairlead.effects.etcd.store import EtcdStore
from fairlead.model.swarm.errors import Outdated
from tests.effects.etcd.house import Manager, task


async def test_many_first_commits_at_once_do_not_sweep_each_other_away(alone: Manager) -> None:
    for life in range(3):
        store = EtcdStore(alone.store._gateway, "n1")
        await asyncio.gather(*(store.commit([task(f"t{life}-{number}")]) for number in range(20)))
        for number in range(20):
            await store.commit([task(f"again{life}-{number}")])


async def test_a_receipt_that_was_lost_stands_in_the_way_once(alone: Manager) -> None:
    store = EtcdStore(alone.store._gateway, "n1")
    await store.commit([task("t1")])
    prefix = receipts_key("n1")
    await store._gateway.call("kv/deleterange", {"key": text64(prefix), "range_end": text64(end_of(prefix))})
    with pytest.raises(Outdated):
        await store.commit([task("t2")])
    await store.commit([task("t2")])
