"""The parts of a swarm on one node, put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.entering import Entering
from fairlead.engine.swarm.files import Files
from fairlead.engine.swarm.guests import Guests
from fairlead.engine.swarm.hands import Hands
from fairlead.engine.swarm.logs import Logs
from fairlead.engine.swarm.membership import Membership
from fairlead.engine.swarm.networks import SwarmNetworks
from fairlead.engine.swarm.nodes import Nodes
from fairlead.engine.swarm.ports import Keystore
from fairlead.engine.swarm.seat import Seat
from fairlead.engine.swarm.services import Services
from fairlead.engine.swarm.settings import Settings
from fairlead.engine.swarm.swarm import Swarm
from fairlead.engine.swarm.tasks import Tasks
from fairlead.model.swarm.files import Config, Secret


def assemble(host: OneHost, swarm: Swarm, keystore: Keystore, make_hands: Callable[[], Hands]) -> None:
    """Give a swarm its parts; its discovery is there."""
    clock, entropy = host.clock, host.entropy
    swarm.logs = Logs(lambda: swarm.membership.seat)
    make_seat = partial(Seat, host.memory, swarm, swarm.logs)
    swarm.membership = Membership(host, swarm.discovery, keystore, make_hands, make_seat)
    host.fabric.lodgings.keeper = Guests(swarm.membership)
    swarm.entering = Entering(host, swarm.membership)
    swarm.settings = Settings(swarm, lambda: swarm.membership.hands.authority, clock, entropy)
    swarm.nodes = Nodes(swarm)
    swarm.services = Services(swarm, clock, entropy, host.config.balancer)
    swarm.tasks = Tasks(swarm)
    swarm.networks = SwarmNetworks(swarm, host.state, clock, entropy)
    swarm.secrets = Files(swarm, clock, entropy, Secret)
    swarm.configs = Files(swarm, clock, entropy, Config)
