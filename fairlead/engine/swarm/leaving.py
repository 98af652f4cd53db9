"""The way out of a swarm, and what a manager is told before it takes it.

Others are told and waited for, but none of them can hold back who wants to go: what they do not answer in time is left
to them, and what this node has of the swarm is forgotten in any case.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from fairlead.engine.swarm.keeper import decides_without, peer_url
from fairlead.engine.swarm.membership import Membership
from fairlead.engine.swarm.standing import INACTIVE, LOCKED, NO_MEMBER
from fairlead.model.errors import Refusal, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairlead.engine.swarm.ports import ConsensusMember

SEALED = "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message."
MANAGING = "You are attempting to leave the swarm on a node that is participating as a manager. "
LAST = "Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. "
MAY_LOSE = "Doing so may lose the consensus of your cluster. "
RESTORE = (
    "The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. "
    "Use `--force` to suppress this message."
)

STEPPING_OUT = 4.0
"""Seconds that the other managers have to do without this one."""

_log = logging.getLogger("fairlead.swarm")


async def leave(membership: Membership, *, force: bool) -> None:
    """The node's tasks are stopped and removed; a manager steps out of the consensus if the others can decide without
    it. Raises Unavailable, in Docker's words, for what only `force` does."""
    async with membership.turn:
        standing = membership.standing
        if standing.state == INACTIVE:
            raise Unavailable(NO_MEMBER)
        if standing.state == LOCKED and not force:
            raise Unavailable(SEALED)
        if standing.manager and not force:
            raise Unavailable(MANAGING + await _warning(membership))
        if membership.agent is not None:
            await membership.agent.say_goodbye()
        await asyncio.gather(_end_tasks(membership), _step_out(membership))
        await membership.forget()
        _log.info("the node left the swarm", extra={"node": standing.node_id})


async def _warning(membership: Membership) -> str:
    members: Sequence[ConsensusMember] = ()
    if membership.standing.seated:
        with suppress(Refusal):
            members = await membership.hands.consensus.members()
    voters = [member for member in members if not member.learner]
    reachable = sum(member.healthy for member in voters)
    if not voters:
        return MAY_LOSE + RESTORE
    if len(voters) == reachable == 1:
        return LAST
    if reachable - 2 < len(voters) - reachable:
        left = f"Removing this node leaves {reachable - 1} managers out of {len(voters)}. "
        return left + "Without a Raft quorum your swarm will be inaccessible. " + RESTORE
    return RESTORE


async def _end_tasks(membership: Membership) -> None:
    if membership.agent is not None:
        await membership.agent.leave()


async def _step_out(membership: Membership) -> None:
    """So that those who stay count no vote that is never given."""
    if not membership.standing.seated:
        return
    try:
        async with asyncio.timeout(STEPPING_OUT):
            await membership.seat.stand_down()
            await _vacate(membership)
    except (Refusal, TimeoutError) as why:
        _log.warning("left without the other managers' consent: %s", str(why) or "they did not answer in time")


async def _vacate(membership: Membership) -> None:
    consensus = membership.hands.consensus
    members = await consensus.members()
    url = peer_url(membership.own.advertise)
    own = next((member for member in members if member.peer_url == url), None)
    if own is not None and len(members) > 1 and decides_without(own, members):
        await consensus.remove(own.id)
