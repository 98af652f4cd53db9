"""The swarm as this node sees it: what API handlers use, made of parts that each answer for one noun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.swarm.standing import Standing, leaderless, must_manage

if TYPE_CHECKING:
    from fairlead.core.swarm.snapshot import Snapshot
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


class Swarm:
    """`daemon.py` sets the parts. Those for users' verbs (`nodes`, `services`, `tasks`, `networks`, `secrets`,
    `configs`, `logs`) hold this object and ask it for `mirror` at each verb."""

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

    @property
    def standing(self) -> Standing:
        return self.membership.standing

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

    @property
    def agent(self) -> Agent | None:
        """The node's agent; None in no swarm."""
        return self.membership.agent
