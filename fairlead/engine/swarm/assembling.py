"""The parts of a swarm on one node, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.engine.swarm.entering import Entering
from fairlead.engine.swarm.files import Files
from fairlead.engine.swarm.guests import Guests
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.logs import Logs
from fairlead.engine.swarm.membership import Membership
from fairlead.engine.swarm.networks import SwarmNetworks
from fairlead.engine.swarm.nodes import Nodes
from fairlead.engine.swarm.ports import Keystore
from fairlead.engine.swarm.services import Services
from fairlead.engine.swarm.settings import Settings
from fairlead.engine.swarm.tasks import Tasks
from fairlead.model.swarm.files import Config, Secret

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def assemble(engine: Engine, keystore: Keystore, make_hands: Callable[[], Hands]) -> None:
    """Give the engine's `swarm` its parts."""
    clock, entropy, swarm = engine.clock, engine.entropy, engine.swarm
    swarm.membership = Membership(engine, keystore, make_hands)
    engine.fabric.lodgings.keeper = Guests(swarm.membership)
    swarm.entering = Entering(engine, swarm.membership)
    swarm.settings = Settings(swarm, clock, entropy)
    swarm.nodes = Nodes(swarm)
    swarm.services = Services(swarm, clock, entropy, engine.config.balancer)
    swarm.tasks = Tasks(swarm)
    swarm.networks = SwarmNetworks(swarm, engine.state, clock, entropy)
    swarm.secrets = Files(swarm, clock, entropy, Secret)
    swarm.configs = Files(swarm, clock, entropy, Config)
    swarm.logs = Logs(swarm)
