"""A user's change of the swarm's store, decided anew whenever somebody else was quicker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fairlead.core.swarm.changes import Change
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.standing import leaderless
from fairlead.model.errors import Failed, Refusal
from fairlead.model.swarm.errors import Outdated, Untouched

if TYPE_CHECKING:
    from fairlead.engine.swarm.mirror import Mirror

ATTEMPTS = 16
SETTLING = 1.0
"""Seconds for the leader to give a new object what it allocates; as long as that takes milliseconds, whoever made it
sees it complete, and its version does not change under the hands of who reads it next."""
PATIENCE, PAUSE = 10.0, 0.1
"""Seconds that a user waits for a majority of managers (another leader of theirs, say), and between attempts."""


async def write(manager: Manager, decide: Callable[[Snapshot], Iterable[Change]]) -> None:
    """`decide` reads the store's present state and raises `Refusal` or answers what to change. It is asked again when
    that state was not the last any more, so what a user must not overwrite unseen is `decide`'s to compare. It
    also refuses of the last state only. Waits for a majority while nothing was changed; raises Failed, in Docker's
    words, when none comes."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    outdated = 0
    while outdated < ATTEMPTS:
        mirror = manager.mirror
        try:
            if outdated:
                await mirror.refresh()
            await mirror.write(await _decided(mirror, decide))
        except Outdated:
            outdated += 1
        except Untouched as refusal:
            if asyncio.get_running_loop().time() > deadline:
                raise leaderless() from refusal
            await asyncio.sleep(PAUSE)
        else:
            return
    raise Failed("rpc error: code = Unknown desc = the object keeps changing: try again")


async def _decided(mirror: Mirror, decide: Callable[[Snapshot], Iterable[Change]]) -> list[Change]:
    """A refusal may be of a state that is past, by what the same user did a moment ago at another manager."""
    try:
        return list(decide(mirror.snapshot))
    except Refusal:
        await mirror.refresh()
        return list(decide(mirror.snapshot))


async def settled(manager: Manager, done: Callable[[Snapshot], bool]) -> None:
    """Returns when `done`, or when the leader does not come to it in time: then it is not waited for."""
    mirror = manager.mirror
    changes = mirror.changes()
    try:
        async with asyncio.timeout(SETTLING):
            while not done(mirror.snapshot):
                changes.drain()
                await changes.wait()
    except TimeoutError:
        return
    finally:
        changes.close()
