"""What a new swarm begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fairlead.core.swarm import keys
from fairlead.core.swarm.changes import Change, Put
from fairlead.core.swarm.identity import SECRET_BYTES, UNLOCK_BYTES, join_token, unlock_key
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Entropy
from fairlead.engine.swarm.networks import predefined
from fairlead.model.network import SWARM, NetworkSpec
from fairlead.model.swarm.cluster import Cluster, JoinTokens, RootCa
from fairlead.model.swarm.identity import Identity, Root, digest
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import MANAGER, WORKER, ManagerStatus, Node, NodeSpec
from fairlead.model.swarm.orders import InitOrder

KEY_BITS = 128
INGRESS = NetworkSpec("ingress", driver="overlay", scope=SWARM, ingress=True)


def chance(entropy: Entropy, length: int) -> bytes:
    return entropy.number(1 << (8 * length)).to_bytes(length)


def fresh_key(entropy: Entropy) -> str:
    """A key of gossip or IPsec, hex."""
    return chance(entropy, KEY_BITS // 8).hex()


def new_tokens(root: str, entropy: Entropy) -> JoinTokens:
    return JoinTokens(*(join_token(root, chance(entropy, SECRET_BYTES)) for _ in range(2)))


def new_unlock_key(entropy: Entropy) -> str:
    return unlock_key(chance(entropy, UNLOCK_BYTES))


def founded(identity: Identity, order: InitOrder, root: Root, now: int, entropy: Entropy) -> Iterator[Change]:
    """The cluster, its first manager, and the networks that every swarm has."""
    peer, issuer = identity.peer, digest(root.certificate)
    cluster = Cluster(
        peer.cluster_id,
        spec=order.spec,
        pools=order.pools,
        subnet_size=order.subnet_size,
        data_path_port=order.data_path_port,
        root=RootCa(root.certificate, root.key, issuer),
        tokens=new_tokens(root.certificate, entropy),
        unlock_keys=(new_unlock_key(entropy),) if order.spec.autolock else (),
        created=now,
        updated=now,
    )
    yield Put(keys.rotate(cluster, now, lambda: fresh_key(entropy)))
    spec = NodeSpec(MANAGER, order.availability)
    manager = ManagerStatus(address=identity.advertise)
    yield Put(Node(peer.node_id, spec, role=MANAGER, manager=manager, issuer=issuer, created=now, updated=now))
    yield Put(SwarmNetwork(entropy.swarm_id(), INGRESS, created=now, updated=now))
    for network in predefined(entropy, now):
        yield Put(network)


def taken_over(own: str, snapshot: Snapshot) -> Iterator[Change]:
    """`--force-new-cluster`: the one manager that is left goes on alone; the others are managers no more."""
    for node in snapshot.nodes.values():
        if node.id != own and MANAGER in (node.role, node.spec.role):
            spec = replace(node.spec, role=WORKER)
            yield Put(replace(node, spec=spec, role=WORKER, manager=None, error=""))
