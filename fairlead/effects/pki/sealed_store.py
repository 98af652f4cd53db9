"""A store that keeps nothing readable: objects are sealed (AES-256-GCM) on their way in and opened on their way out.

The key is every manager's and nobody else's, and on their disks it is sealed in turn where the swarm is autolocked; so
the consensus's files tell neither secrets nor the authority's key. Kind and id are authenticated along with the value:
one object cannot be put in another's place. What is not an object's value (names, versions, who leads) passes through.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fairlead.model.errors import Failed
from fairlead.model.swarm.store import ClusterStore, Entry, Fence, Leadership, Write

_NONCE = 12


class SealedStore:
    """A `ClusterStore` around another. `key` are 64 hex digits. Reading raises Failed for an object that was not sealed
    with it."""

    def __init__(self, store: ClusterStore, key: str) -> None:
        self._store, self._cipher = store, AESGCM(bytes.fromhex(key))

    async def load(self) -> tuple[list[Entry], int]:
        entries, revision = await self._store.load()
        return [self._opened(entry) for entry in entries], revision

    async def revision(self) -> int:
        return await self._store.revision()

    async def watch(self, after: int) -> AsyncGenerator[tuple[Sequence[Entry], int], None]:
        batches = self._store.watch(after)
        try:
            async for entries, revision in batches:
                yield [self._opened(entry) for entry in entries], revision
        finally:
            if hasattr(batches, "aclose"):
                await batches.aclose()

    async def commit(self, writes: Sequence[Write], fence: Fence | None = None) -> int:
        return await self._store.commit([self._sealed(write) for write in writes], fence)

    async def campaign(self, who: str, ttl: float) -> Leadership:
        return await self._store.campaign(who, ttl)

    async def leader(self) -> str:
        return await self._store.leader()

    def leaders(self) -> AsyncIterator[str]:
        return self._store.leaders()

    def _sealed(self, write: Write) -> Write:
        if write.value is None:
            return write
        nonce = os.urandom(_NONCE)
        return replace(write, value=nonce + self._cipher.encrypt(nonce, write.value, _place(write)))

    def _opened(self, entry: Entry) -> Entry:
        if entry.value is None:
            return entry
        try:
            value = self._cipher.decrypt(entry.value[:_NONCE], entry.value[_NONCE:], _place(entry))
        except (InvalidTag, ValueError) as error:
            text = f"{entry.kind} {entry.id} in the swarm's store is not sealed with this swarm's key"
            raise Failed(text) from error
        return replace(entry, value=value)


def _place(of: Write | Entry) -> bytes:
    return f"{of.kind}/{of.id}".encode()
