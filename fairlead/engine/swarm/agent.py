"""The agent: from a session with the leading manager to containers on this host, and their states back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.swarm.ports import Caller
from fairlead.engine.swarm.surroundings import Place, Surroundings

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


class Agent:
    """One per membership. `adopt` at boot, then `run`; `close` when the daemon goes, `leave` when the node does."""

    def __init__(self, engine: Engine, caller: Caller, place: Place, surroundings: Surroundings) -> None:
        raise NotImplementedError

    async def adopt(self) -> None:
        """Take over what the store remembers: tasks that run are watched again, none is started anew. To be called
        after `engine.containers.adopt`, before the API answers; needs no manager."""
        raise NotImplementedError

    async def run(self) -> None:
        """Hold a session with whoever leads, for ever. Returns after `close`."""
        raise NotImplementedError

    async def ask(self, name: str, body: bytes, patience: float = 5.0) -> bytes:
        """A call to the leading manager, found wherever it is. Raises Unavailable when there is none in time, and the
        manager's refusals."""
        raise NotImplementedError

    def move(self, place: Place) -> None:
        """The node's role, address or managers changed: open a new session that says so."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the session; tasks run on."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Tell the managers (if they can be reached), then stop and remove every task of the swarm on this node."""
        raise NotImplementedError
