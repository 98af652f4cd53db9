"""The daemon's part in a swarm: the second half of the composition root.

It is read when this node is in a swarm, or when somebody asks for what only swarms have. What it imports is more than
all the rest of the daemon, and would be half of the time until a daemon in no swarm answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api.http import Route
from fairlead.api.routes import nodes, services, swarm, swarm_files, tasks
from fairlead.core.swarm.identity import may_call
from fairlead.effects.pki.keystore import Keystore
from fairlead.effects.wire.gossip import GossipSockets
from fairlead.effects.wire.path import PathProbe
from fairlead.engine.discovery.discovery import Discovery
from fairlead.engine.discovery.outlets import Actors
from fairlead.engine.engine import Engine
from fairlead.engine.swarm.assembling import assemble
from fairlead.engine.swarm.hands import Hands

Documents = Mapping[str, Mapping[str, bytes]]


def form(engine: Engine, documents: Documents) -> None:
    """Give the engine all that a member of a swarm needs; it is a member of none by that."""
    actors = Actors(engine.overlays, engine.fabric.balancing, engine.ingress)
    discovery = engine.swarm.discovery = Discovery(engine.fabric, GossipSockets(), actors)
    discovery.load_state(documents)
    engine.overlays.paths.probe = PathProbe()
    assemble(engine, engine.swarm, Keystore(engine.config.data_root), lambda: _hands(engine))


def _hands(engine: Engine) -> Hands:
    from fairlead.effects.etcd.member import EtcdConsensus
    from fairlead.effects.pki.authority import Authority
    from fairlead.effects.pki.sealed_store import SealedStore
    from fairlead.effects.wire.nodes.caller import Caller
    from fairlead.effects.wire.nodes.listener import Listener

    consensus = EtcdConsensus(engine.config.data_root, engine.config.exec_root)
    return Hands(Authority(), Caller(), Listener(may_call), consensus, SealedStore)


def routes(engine: Engine) -> list[Route]:
    """What the API has for swarms alone."""
    return [route for room in (swarm, nodes, services, tasks, swarm_files) for route in room.routes(engine)]
