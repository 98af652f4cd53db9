"""A manager's place for tests of users' verbs: the store on a real etcd, and a standing that can be given."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.effects.clock import SystemClock, SystemEntropy
from fairlead.engine.state import State
from fairlead.engine.swarm.files import Files
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.networks import SwarmNetworks
from fairlead.engine.swarm.services import Services
from fairlead.engine.swarm.standing import ACTIVE, Standing
from fairlead.engine.swarm.swarm import Swarm
from fairlead.engine.swarm.tasks import Tasks
from fairlead.model.swarm.files import Config, Secret


@dataclass(slots=True)
class Seat:
    mirror: Mirror
    majority: bool = True


@dataclass(slots=True)
class Membership:
    seat: Seat
    standing: Standing


class Place(Swarm):
    """`stand` puts it where it is to be seen."""

    def __init__(self, mirror: Mirror) -> None:
        clock, entropy = SystemClock(), SystemEntropy()
        self.state = State()
        self.membership = Membership(Seat(mirror), MANAGER)  # type: ignore[assignment]
        self.services = Services(self, clock, entropy)
        self.tasks = Tasks(self)
        self.secrets = Files(self, clock, entropy, Secret)
        self.configs = Files(self, clock, entropy, Config)
        self.networks = SwarmNetworks(self, self.state, clock, entropy)

    def stand(self, standing: Standing) -> None:
        self.membership.standing = standing  # type: ignore[misc]


MANAGER = Standing(ACTIVE, "n1", manager=True, seated=True)
WORKER = Standing(ACTIVE, "n2")
OUTSIDE = Standing()
