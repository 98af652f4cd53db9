"""The cluster's keys: one that seals, several that open.

A key is replaced in three steps, each done everywhere before the next: `install` the new one (everybody can open it),
`use` it (everybody seals with it), `remove` the old one. Between the steps both are accepted, so no packet is lost.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fairlead.core.gossip.errors import GossipError

KEY_BYTES = 32


def fingerprint(key: bytes) -> bytes:
    """What may be shown of a key: 4 bytes. The first travels in the clear with each packet to say which key to try."""
    return hashlib.blake2b(key, digest_size=4, person=b"fairlead-key").digest()


class Keyring:
    """AES-256-GCM keys by fingerprint. Invariant: while it holds any key, one of them is primary."""

    def __init__(self, primary: bytes | None = None) -> None:
        self._keys: dict[bytes, AESGCM] = {}
        self._by_hint: dict[int, tuple[AESGCM, ...]] = {}
        self._primary: bytes | None = None
        if primary is not None:
            self.install(primary)
            self.use(primary)

    def install(self, key: bytes) -> None:
        """Accept packets sealed with this key from now on."""
        if len(key) != KEY_BYTES:
            raise GossipError(f"a key has {len(key)} bytes; it must have {KEY_BYTES}")
        self._keys.setdefault(fingerprint(key), AESGCM(key))
        self._index()

    def use(self, key: bytes) -> None:
        """Seal with this key from now on."""
        mark = fingerprint(key)
        if mark not in self._keys:
            raise GossipError(f"key {mark.hex()} is not installed; install it on every node before it is used")
        self._primary = mark

    def remove(self, key: bytes) -> None:
        """Drop packets sealed with this key from now on."""
        mark = fingerprint(key)
        if mark == self._primary:
            raise GossipError(f"key {mark.hex()} is the primary; use another one first")
        self._keys.pop(mark, None)
        self._index()

    @property
    def primary(self) -> tuple[int, AESGCM] | None:
        """Hint and cipher of the sealing key, None when the cluster talks in the clear."""
        if self._primary is None:
            return None
        return self._primary[0], self._keys[self._primary]

    def candidates(self, hint: int) -> tuple[AESGCM, ...]:
        """The keys a packet with this hint may be sealed with; rarely more than one."""
        return self._by_hint.get(hint, ())

    def fingerprints(self) -> list[str]:
        """Of all keys, the primary first."""
        marks = sorted(self._keys, key=lambda mark: (mark != self._primary, mark))
        return [mark.hex() for mark in marks]

    def _index(self) -> None:
        hints = {mark[0] for mark in self._keys}
        self._by_hint = {hint: tuple(key for mark, key in self._keys.items() if mark[0] == hint) for hint in hints}
