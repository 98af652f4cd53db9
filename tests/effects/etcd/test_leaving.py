"""Going out of the consensus, whoever leads it, and being called off in the middle of a commit."""

from __future__ import annotations

import asyncio
import time

import pytest

from fairlead.effects.etcd.membership import heirs
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.consensus import ConsensusMember
from tests.effects.etcd.house import House, Manager, eventually, task


@pytest.fixture
async def two(house: House) -> list[Manager]:
    """The first leads."""
    managers = await house.managed_by(2)
    return managers if await managers[0].leads() else managers[::-1]


async def test_who_is_called_off_goes_at_once_though_no_majority_answers(alone: Manager) -> None:
    await alone.store.commit([task("before")])
    alone.pause()
    committing = asyncio.create_task(alone.store.commit([task("t1")]))
    await asyncio.wait([committing], timeout=0.3)
    committing.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await committing
    assert time.monotonic() - began < 1, "an attempt lasts 1.5 s"
    alone.resume()
    await alone.store.commit([task("t2")])


async def test_who_is_called_off_goes_whatever_became_of_the_commit(alone: Manager) -> None:
    """Also when it had not been done: a loop that is stopped must not take that for a reason to try again."""
    for turn in range(40):
        committing = asyncio.create_task(alone.store.commit([task(f"t{turn}")]))
        await asyncio.sleep(turn / 10_000)  # somewhere between being sent and being answered
        if committing.cancel():
            with pytest.raises(asyncio.CancelledError):
                await committing
    await alone.store.commit([task("last")])


async def test_the_leader_of_two_goes_and_the_other_decides_alone(two: list[Manager]) -> None:
    leader, other = two
    await leader.store.commit([task("t1")])
    await leader.consensus.remove((await leader.member(leader.name)).id)
    if leader.consensus.pid is not None:  # it ends by itself as soon as it hears that it is removed
        leader.kill()
    await leader.consensus.stop(forget=True)
    await eventually(other.answers)
    assert [one.name for one in await other.consensus.members()] == [other.name]


async def test_a_leader_whom_nobody_can_follow_stays(two: list[Manager]) -> None:
    leader, other = two
    other.cut()
    with pytest.raises(Unavailable, match="no other manager"):
        await leader.consensus.hand_over()
    other.heal()
    await eventually(leader.answers)


async def test_handing_over_is_idempotent_and_the_last_has_nobody_to_hand_over_to(two: list[Manager]) -> None:
    leader, other = two
    await leader.consensus.hand_over()
    assert await other.leads()
    await leader.consensus.hand_over()
    assert await other.leads()
    await other.consensus.remove((await other.member(leader.name)).id)
    await other.consensus.hand_over()
    assert await other.leads()


def test_only_who_votes_and_answers_inherits() -> None:
    def member(name: str, *, learner: bool = False, healthy: bool = True) -> ConsensusMember:
        return ConsensusMember(name, name, f"https://{name}", learner=learner, healthy=healthy)

    members = [member("learner", learner=True), member("gone", healthy=False), member("well")]
    assert [one.id for one in heirs(members)] == ["well"]
