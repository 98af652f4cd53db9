"""The engine of one host, made of parts that each answer for one noun; what it does in a swarm is built upon it.

API handlers and a node's agent call one method of one part. The parts share the memory and the fabric, and know of each
other what they are given. `daemon.py` builds it and sets those parts that need hands of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.engine.events import EventBus
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.memory import Memory
from fairlead.engine.networks.networks import Networks
from fairlead.engine.overlays.ingress import Ingress
from fairlead.engine.overlays.overlays import Overlays
from fairlead.engine.sandboxes.sandboxes import Sandboxes
from fairlead.engine.state import State
from fairlead.engine.world import World
from fairlead.model.config import DaemonConfig

if TYPE_CHECKING:
    from fairlead.engine.containers.containers import Containers
    from fairlead.engine.images.images import Images
    from fairlead.engine.images.rootfs import RootFilesystems
    from fairlead.engine.reconcile import Reconcile
    from fairlead.engine.system import System
    from fairlead.engine.volumes import Volumes


class OneHost:
    containers: Containers
    images: Images
    rootfs: RootFilesystems
    volumes: Volumes
    system: System
    reconcile: Reconcile

    def __init__(self, config: DaemonConfig, world: World) -> None:
        self.config, self.state, self.store = config, State(), world.store
        self.clock, self.entropy, self.events = world.clock, world.entropy, EventBus(world.clock)
        self.memory = Memory(config, self.state, self.store, self.events, self.clock, self.entropy)
        self.fabric = Fabric(self.memory, world)
        self.sandboxes = Sandboxes(self.fabric)
        self.networks = Networks(self.fabric, self.sandboxes)
        self.overlays = Overlays(self.fabric, self.networks)
        self.ingress = Ingress(self.fabric, self.sandboxes)
