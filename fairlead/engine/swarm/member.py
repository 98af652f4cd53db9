"""What a seat and the papers of a node need of its membership, which they keep in line with what the managers say."""

from __future__ import annotations

from typing import Protocol

from fairlead.engine.swarm.agent import Agent
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.standing import Standing
from fairlead.engine.swarm.surroundings import Place
from fairlead.model.swarm.identity import Identity


class Member(Protocol):
    """`identity` and `agent` are None in no swarm. `remote_managers` are (node id, HOST:PORT) of the managers as heard
    of last."""

    identity: Identity | None
    agent: Agent | None
    unlock_key: str
    remote_managers: tuple[tuple[str, str], ...]

    @property
    def hands(self) -> Hands: ...

    @property
    def own(self) -> Identity:
        """What the node is."""
        ...

    @property
    def address(self) -> str:
        """Where the node is for the others, without a port."""
        ...

    @property
    def standing(self) -> Standing: ...

    def place(self, identity: Identity) -> Place:
        """Where it is, as whom, for its agent."""
        ...

    async def save(self, identity: Identity) -> None:
        """Be this from now on, also after a restart."""
        ...

    def seat_changed(self) -> None:
        """The seat was taken or given up."""
        ...
