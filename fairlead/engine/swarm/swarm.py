"""The swarm as this node sees it: what API handlers use, made of parts that each answer for one noun."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fairlead.engine.swarm.standing import OUTSIDE, Standing, leaderless, must_manage
from fairlead.model.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from fairlead.core.swarm.snapshot import Snapshot
    from fairlead.engine.discovery.discovery import Discovery
    from fairlead.engine.swarm.agent import Agent
    from fairlead.engine.swarm.entering import Entering
    from fairlead.engine.swarm.files import Files
    from fairlead.engine.swarm.logs import Logs
    from fairlead.engine.swarm.membership import Membership
    from fairlead.engine.swarm.mirror import Mirror
    from fairlead.engine.swarm.networks import SwarmNetworks
    from fairlead.engine.swarm.nodes import Nodes
    from fairlead.engine.swarm.services import Services
    from fairlead.engine.swarm.settings import Settings
    from fairlead.engine.swarm.tasks import Tasks
    from fairlead.model.swarm.files import Config, Secret

T = TypeVar("T")


class Swarm:
    """`form` sets the parts, when the first of them is asked for: a node in no swarm has no use for them, nor for the
    three hundred modules that they are made of. Those for users' verbs (`nodes`, `services`, `tasks`, `networks`,
    `secrets`, `configs`, `logs`) hold this object and ask it for `mirror` at each verb."""

    discovery: Discovery
    membership: Membership
    entering: Entering
    settings: Settings
    nodes: Nodes
    services: Services
    tasks: Tasks
    networks: SwarmNetworks
    secrets: Files[Secret]
    configs: Files[Config]
    logs: Logs

    def __init__(self, form: Callable[[], None]) -> None:
        self._form = form

    if not TYPE_CHECKING:  # else nothing would be known of the parts' types

        def __getattr__(self, name: str) -> object:
            if name not in Swarm.__annotations__ or self.formed:
                raise AttributeError(name)
            self._form()
            return getattr(self, name)

    @property
    def formed(self) -> bool:
        """Whether the parts are there. Without them this node is in no swarm."""
        return "membership" in self.__dict__

    @property
    def standing(self) -> Standing:
        return self.membership.standing if self.formed else OUTSIDE

    @property
    def mirror(self) -> Mirror:
        """The managers' store. Raises Unavailable (503), in Docker's words, where this node is no manager at work, and
        Failed (500) while no majority of managers answers."""
        must_manage(self.standing)
        seat = self.membership.seat
        if not seat.majority:
            raise leaderless()
        return seat.mirror

    @property
    def snapshot(self) -> Snapshot:
        """What the store holds. Raises as `mirror`."""
        return self.mirror.snapshot

    async def last_word(self, look: Callable[[], T]) -> T:
        """What `look` finds. That there is no such thing is for the store to say, not for what this manager has heard
        of it: it may be cut off, or what was made at another a moment ago be on its way. Raises as `mirror`."""
        try:
            return look()
        except NotFound:
            try:
                await self.mirror.refresh()
            except Unavailable as refusal:
                raise leaderless() from refusal
            return look()

    @property
    def agent(self) -> Agent | None:
        """The node's agent; None in no swarm."""
        return self.membership.agent
