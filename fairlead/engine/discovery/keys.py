"""The swarm's gossip keys as a keyring."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from fairlead.core.gossip import KEY_BYTES, Keyring
from fairlead.model.swarm.cluster import GOSSIP, GossipKey


class Ring:
    """The keyring follows what managers say: all keys of the subsystem each time, one of them primary. They see to it
    that a key is known everywhere before it is used, so following them loses no packet."""

    def __init__(self) -> None:
        self.keyring = Keyring()
        self._held: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return self.keyring.primary is not None

    def follow(self, keys: Iterable[GossipKey]) -> None:
        """Install, use, remove, in this order. No keys, or none to send with: everything stays as it is."""
        ours = [key for key in keys if key.key.subsystem == GOSSIP]
        primary = next((_material(key) for key in ours if key.primary), None)
        if primary is None:
            return
        wanted = frozenset(map(_material, ours))
        for key in wanted - self._held:
            self.keyring.install(key)
        self.keyring.use(primary)
        for key in self._held - wanted:
            self.keyring.remove(key)
        self._held = wanted


def _material(key: GossipKey) -> bytes:
    """A key of the length that the cipher wants, whatever length managers drew."""
    return blake2b(key.key.key.encode(), digest_size=KEY_BYTES, person=b"fairlead-gossip").digest()
