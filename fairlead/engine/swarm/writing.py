"""A user's change of the swarm's store, decided anew whenever somebody else was quicker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fairlead.core.swarm.changes import Change
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Failed
from fairlead.model.swarm.errors import Outdated

if TYPE_CHECKING:
    from fairlead.engine.swarm.swarm import Swarm

ATTEMPTS = 16


async def write(swarm: Swarm, decide: Callable[[Snapshot], Iterable[Change]]) -> None:
    """`decide` reads the store's present state and raises `Refusal` or answers what to change. It is asked again when
    that state was not the last any more, so what a user must not overwrite unseen is `decide`'s to compare."""
    for _ in range(ATTEMPTS):
        mirror = swarm.mirror
        try:
            await mirror.write(decide(mirror.snapshot))
        except Outdated:
            await mirror.refresh()
        else:
            return
    raise Failed("rpc error: code = Unknown desc = the object keeps changing: try again")
