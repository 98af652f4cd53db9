"""A store that is written faster than its history goes."""

from __future__ import annotations

import pytest

from fairlead.effects.etcd import flags
from fairlead.model.errors import Failed
from tests.effects.etcd.house import House, Manager, task

MEBI = 1 << 20


@pytest.fixture
async def small(house: House, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """Alone, with a quota of a few megabytes."""
    monkeypatch.setattr(flags, "QUOTA", 6 * MEBI)
    return (await house.managed_by(1))[0]


async def test_a_store_full_of_history_is_opened_again(small: Manager) -> None:
    async def fill() -> None:
        version = 0
        for _ in range(200):
            version = await small.store.commit([task("t1", version, b"x" * (MEBI // 4))])

    await small.consensus.make_room()
    with pytest.raises(Failed, match="the managers' store is full"):
        await fill()
    with pytest.raises(Failed, match="managers make room by themselves"):
        await small.store.commit([task("t2")])
    await small.consensus.make_room()
    (kept,) = (await small.store.load())[0]
    await small.store.commit([task("t1", kept.version, b"y" * MEBI)])
