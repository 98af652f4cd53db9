"""The swarm's own settings: `docker swarm update`, `join-token`, `unlock-key` and `ca`, on the managers' store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fairlead.core.swarm import revise, validate
from fairlead.core.swarm.changes import Change, Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm.admission import root_of
from fairlead.engine.swarm.founding import new_tokens, new_unlock_key
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.ports import Authority
from fairlead.engine.swarm.standing import leaderless
from fairlead.engine.swarm.writing import write
from fairlead.model.swarm.cluster import Cluster, ClusterSpec, RootCa
from fairlead.model.swarm.identity import Root, digest
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.orders import GivenRoot, Rotations


@dataclass(frozen=True, slots=True)
class Trust:
    """A root (PEM) and its subject and public key (DER)."""

    certificate: str
    subject: bytes
    public_key: bytes


class Settings:
    def __init__(self, manager: Manager, authority: Callable[[], Authority], clock: Clock, entropy: Entropy) -> None:
        self._manager, self._find_authority = manager, authority
        self._clock, self._entropy = clock, entropy
        self._marks: dict[str, tuple[bytes, bytes]] = {}

    @property
    def _authority(self) -> Authority:
        return self._find_authority()

    def get(self) -> Cluster:
        cluster = self._manager.snapshot.cluster
        if cluster is None:
            raise leaderless()
        return cluster

    @property
    def unlock_key(self) -> str:
        """ "" unless managers are autolocked."""
        cluster = self.get()
        return cluster.unlock_keys[0] if cluster.spec.autolock and cluster.unlock_keys else ""

    def trust_of(self, node: Node) -> Trust:
        """What the node believes and who signed it, as far as the managers know."""
        root = self.get().root
        return self._trust(root.cert if node.issuer == root.digest or not root.previous else root.previous)

    @property
    def trust(self) -> Trust:
        """What the swarm's nodes shall believe."""
        return self._trust(self.get().root.cert)

    def _trust(self, certificate: str) -> Trust:
        if certificate not in self._marks:
            self._marks[certificate] = self._authority.marks(certificate)
        return Trust(certificate, *self._marks[certificate])

    async def update(self, spec: ClusterSpec, version: int, rotations: Rotations, given: GivenRoot) -> None:
        """A changed `ca_force_rotate`, or a root that is `given`, begins the change of the root certificate: from then
        on both are trusted, every node is told to renew its certificate, and when all have, the old root is forgotten.
        Raises Failed when `version` is not the cluster's."""
        validate.cluster(spec)
        fresh = await asyncio.to_thread(self._fresh_root, spec, given)

        def decide(snapshot: Snapshot) -> Iterator[Change]:
            cluster = snapshot.cluster
            if cluster is None:
                raise leaderless()
            revise.in_sequence(cluster, version)
            changed = self._rotated(replace(cluster, spec=spec), rotations)
            yield Put(self._rerooted(changed, fresh) if fresh is not None else changed)

        await write(self._manager, decide)

    def _fresh_root(self, spec: ClusterSpec, given: GivenRoot) -> Root | None:
        """The root to change to, if any. Raises Invalid for a given one that is of no use."""
        cluster, now = self.get(), self._clock.now()
        if given.certificate:
            root = Root(given.certificate, given.key)
            self._authority.examine(root, now)
            return root if digest(root.certificate) != cluster.root.digest else None
        return self._authority.root(now) if spec.ca_force_rotate != cluster.spec.ca_force_rotate else None

    def _rotated(self, cluster: Cluster, rotations: Rotations) -> Cluster:
        tokens = new_tokens(cluster.root.cert, self._entropy)
        if rotations.worker_token:
            cluster = replace(cluster, tokens=replace(cluster.tokens, worker=tokens.worker))
        if rotations.manager_token:
            cluster = replace(cluster, tokens=replace(cluster.tokens, manager=tokens.manager))
        if not cluster.spec.autolock:
            return replace(cluster, unlock_keys=())
        if rotations.unlock_key or not cluster.unlock_keys:
            return replace(cluster, unlock_keys=(new_unlock_key(self._entropy),))
        return cluster

    def _rerooted(self, cluster: Cluster, fresh: Root) -> Cluster:
        """Joiners are told the new root at once; the old one vouches for it until all have renewed."""
        old = root_of(cluster)
        root = RootCa(
            cert=fresh.certificate,
            key=fresh.key,
            digest=digest(fresh.certificate),
            previous=old.certificate + cluster.root.previous,
            cross=self._authority.cross_sign(old, fresh, self._clock.now()),
            last_forced=cluster.spec.ca_force_rotate,
        )
        return replace(cluster, root=root, tokens=new_tokens(fresh.certificate, self._entropy))
