"""One member, then more: joining, leaving, losses, and what outlives them."""

from __future__ import annotations

import shutil
import time

import pytest

from fairlead.effects.etcd.member import EtcdConsensus
from fairlead.model.errors import Conflict, Failed, Unavailable
from tests.effects.etcd.house import House, Manager, eventually, task


async def ids(manager: Manager) -> set[str]:
    return {entry.id for entry in (await manager.store.load())[0]}


class TestAlone:
    async def test_keeps_everything_over_a_restart_of_the_daemon(self, alone: Manager) -> None:
        await alone.store.commit([task("t1")])
        await alone.consensus.stop()
        alone.anew()
        await alone.start()
        assert await ids(alone) == {"t1"}

    async def test_is_started_again_when_killed(self, alone: Manager) -> None:
        await alone.store.commit([task("t1")])
        alone.kill()
        await eventually(alone.answers)
        assert await ids(alone) == {"t1"}

    async def test_that_lost_its_data_does_not_begin_anew(self, alone: Manager) -> None:
        await alone.consensus.stop()
        shutil.rmtree(alone.folder / "data" / "swarm" / "etcd")
        alone.anew()
        with pytest.raises(Failed, match="is gone"):
            await alone.start()
        await alone.consensus.stop(forget=True)
        await alone.start()
        assert await ids(alone) == set()

    async def test_says_why_it_cannot_start(self, alone: Manager, house: House) -> None:
        second = EtcdConsensus(house.folder / "second", house.folder / "run2", ("nsenter", f"--net={alone.space.path}"))
        with pytest.raises(Failed, match="address already in use"):
            await second.start(alone.how())
        assert second.pid is None

    async def test_leaves_its_key_nowhere_when_it_stops(self, alone: Manager) -> None:
        await alone.consensus.stop()
        assert not list((alone.folder / "run" / "swarm").glob("*.pem"))

    async def test_is_restored_from_a_snapshot(self, house: House, alone: Manager) -> None:
        before = await alone.store.commit([task("t1")])
        await alone.consensus.snapshot(str(house.folder / "copy"))
        await alone.store.commit([task("t2")])
        await alone.consensus.stop(forget=True)
        other = house.manager()
        other.store = await other.consensus.restore(str(house.folder / "copy"), other.how())
        assert await ids(other) == {"t1"}
        assert (await other.store.commit([task("t1", version=before)])) > before
        assert [one.name for one in await other.consensus.members()] == [other.name]

    async def test_does_not_restore_what_is_no_snapshot(self, house: House, alone: Manager) -> None:
        await alone.store.commit([task("t1")])
        path = house.folder / "copy"
        await alone.consensus.snapshot(str(path))
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        path.write_bytes(damaged)
        other = house.manager()
        with pytest.raises(Failed, match="cannot be restored"):
            await other.consensus.restore(str(path), other.how())


class TestThree:
    async def test_share_one_store(self, three: list[Manager]) -> None:
        for manager in three:
            await manager.store.commit([task(manager.name)])
        for manager in three:
            assert await ids(manager) == {"n1", "n2", "n3"}
        members = await three[1].consensus.members()
        assert [(one.learner, one.started, one.healthy) for one in members] == [(False, True, True)] * 3
        assert sum(one.leader for one in members) == 1

    async def test_one_lost_and_back(self, three: list[Manager]) -> None:
        three[1].kill()
        await three[0].store.commit([task("t1")])
        await eventually(three[1].answers)
        assert await ids(three[1]) == {"t1"}

    async def test_without_majority_nothing_is_decided_and_all_is_again_with_one(self, three: list[Manager]) -> None:
        await three[0].store.commit([task("before")])
        three[1].cut()
        three[2].cut()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await three[0].store.commit([task("lost")])
        with pytest.raises(Unavailable):
            await three[0].store.load()
        assert time.monotonic() - began < 12
        healthy = {one.name: one.healthy for one in await three[0].consensus.members()}
        assert healthy["n2"] is False
        assert healthy["n3"] is False
        three[1].heal()
        await eventually(three[0].answers)
        await three[0].store.commit([task("after")])
        assert "after" in await ids(three[1])

    async def test_no_manager_is_removed_whose_going_would_cost_the_majority(self, three: list[Manager]) -> None:
        three[2].cut()
        member = await three[0].member("n2")
        await eventually(lambda: unhealthy(three[0], "n3"))
        with pytest.raises(Conflict, match="majority"):
            await three[0].consensus.remove(member.id)
        await three[0].consensus.remove((await three[0].member("n3")).id)
        assert [one.name for one in sorted(await three[0].consensus.members(), key=lambda one: one.name)] == [
            "n1",
            "n2",
        ]

    async def test_a_disk_is_lost_and_replaced(self, house: House, three: list[Manager]) -> None:
        await three[0].store.commit([task("t1")])
        lost = three[2]
        await lost.consensus.stop()
        shutil.rmtree(lost.folder / "data" / "swarm" / "etcd")
        lost.anew()
        with pytest.raises(Failed, match="is gone"):
            await lost.start()
        await three[0].consensus.remove((await three[0].member("n3")).id)
        await lost.consensus.stop(forget=True)
        await lost.join(three[0])
        assert await ids(lost) == {"t1"}
        three[1].cut()
        await eventually(three[0].answers)
        await three[0].store.commit([task("t2")])

    async def test_the_removed_does_not_come_back(self, three: list[Manager]) -> None:
        await three[0].consensus.remove((await three[0].member("n3")).id)
        await eventually(lambda: is_removed(three[2]))
        assert three[2].consensus.pid is None

    async def test_a_lost_majority_is_given_up_by_force(self, three: list[Manager]) -> None:
        await three[0].store.commit([task("t1")])
        for manager in three[1:]:
            await manager.consensus.stop(forget=True)
        await three[0].consensus.stop()
        three[0].anew()
        await three[0].start(force_new=True)
        assert await ids(three[0]) == {"t1"}
        assert [one.name for one in await three[0].consensus.members()] == ["n1"]
        await three[1].join(three[0])
        three[0].kill()
        await eventually(three[0].answers)
        assert {one.name for one in await three[0].consensus.members()} == {"n1", "n2"}

    async def test_starts_without_the_others_and_waits_for_them(self, three: list[Manager]) -> None:
        await three[0].store.commit([task("t1")])
        for manager in three:
            await manager.consensus.stop()
            manager.anew()
        await three[0].start()
        assert not await three[0].answers()
        await three[1].start()
        await eventually(three[0].answers)
        assert await ids(three[0]) == {"t1"}

    async def test_the_root_is_changed_under_them(self, three: list[Manager]) -> None:
        house = three[0].house
        old, new = house.root, house.authority.root(time.time_ns())
        both = old.certificate + new.certificate
        for root, trust in ((old, both), (new, both), (new, new.certificate)):
            for manager in three:
                await manager.consensus.renew(manager.files(root, trust))
                await eventually(manager.answers)
        await three[0].store.commit([task("t1")])
        assert await ids(three[2]) == {"t1"}


async def unhealthy(manager: Manager, name: str) -> bool:
    return not (await manager.member(name)).healthy


async def is_removed(manager: Manager) -> bool:
    return manager.consensus.removed and manager.consensus.pid is None
