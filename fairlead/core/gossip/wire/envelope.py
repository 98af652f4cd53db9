"""The outside of every packet: which cluster, which key, which sender's how-manieth packet.

    0      version, 0xF1
    1      flags: 1 sealed, 2 compressed
    2      hint: first byte of the key's fingerprint
    3..9   session of the sender: 7 random bytes of this life of it
    10..14 counter of the session, big-endian
    15..   sealed: AES-256-GCM of the body and its 16-byte tag; clear: CRC-32, then the body

Session and counter together are the nonce of AES-GCM. A session seals with a counter that only grows, and two sessions
are equal by chance once in 2^56, so under one key no nonce comes twice: no randomness is needed to seal. They are also
what replay protection goes by (`replay.py`). The cluster's id and the conversation are bound in as associated data (in
the clear: in the checksum), so a packet of another cluster, or of another conversation, does not open.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from fairlead.core.gossip.errors import GossipError, PeerError
from fairlead.core.gossip.keyring import Keyring

VERSION = 0xF1
SEALED = 1
COMPRESSED = 2
HEADER = 15
NONCE_BYTES = 12
OVERHEAD = HEADER + 16
COUNTER_END = 1 << 40


class Opened(NamedTuple):
    session: bytes
    counter: int
    body: bytes


class Envelope:
    """Seals this session's bodies and opens those of others. The body of a peer is at most `max_body` bytes."""

    def __init__(self, cluster: str, session: bytes, keyring: Keyring, compress_from: int, max_body: int) -> None:
        if len(session) != NONCE_BYTES - 5:
            raise GossipError(f"a session has {len(session)} bytes; it must be 7 fresh random ones")
        self.session = session
        self._cluster = cluster.encode()
        self._keyring = keyring
        self._compress_from = compress_from
        self._max_body = max_body
        self._counter = 0

    def nonce(self) -> bytes:
        """Twelve bytes that this session never used before: of a packet, or the hello of a stream."""
        self._counter += 1
        if self._counter >= COUNTER_END:
            raise GossipError("the session has sealed 2^40 packets; start the node again with a fresh session")
        return self.session + self._counter.to_bytes(5, "big")

    def seal(self, body: bytes, context: bytes = b"") -> bytes:
        flags = 0
        if len(body) >= self._compress_from:
            smaller = zlib.compress(body, 1)
            if len(smaller) < len(body):
                body, flags = smaller, COMPRESSED
        nonce = self.nonce()
        primary = self._keyring.primary
        if primary is None:
            head = bytes((VERSION, flags, 0))
            return head + nonce + self._checksum(head, nonce, context, body) + body
        hint, cipher = primary
        head = bytes((VERSION, flags | SEALED, hint))
        return head + nonce + cipher.encrypt(nonce, body, self._cluster + head + context)

    def open(self, data: bytes, context: bytes = b"") -> Opened:
        """Raises PeerError: `foreign` (not ours at all), `clear`, `key` or `compression`."""
        if len(data) < HEADER + 4 or data[0] != VERSION:
            raise PeerError("foreign")
        head, nonce, body = data[:3], data[3:HEADER], data[HEADER:]
        if head[1] & SEALED:
            body = self._unseal(head, nonce, body, context)
        else:
            body = self._unwrap(head, nonce, body, context)
        if head[1] & COMPRESSED:
            body = self._expand(body)
        return Opened(nonce[:7], int.from_bytes(nonce[7:], "big"), body)

    def _unseal(self, head: bytes, nonce: bytes, body: bytes, context: bytes) -> bytes:
        for cipher in self._keyring.candidates(head[2]):
            try:
                return cipher.decrypt(nonce, body, self._cluster + head + context)
            except InvalidTag:
                continue
        raise PeerError("key")

    def _unwrap(self, head: bytes, nonce: bytes, body: bytes, context: bytes) -> bytes:
        if self._keyring.primary is not None:
            raise PeerError("clear")
        if body[:4] != self._checksum(head, nonce, context, body[4:]):
            raise PeerError("foreign")
        return body[4:]

    def _checksum(self, head: bytes, nonce: bytes, context: bytes, body: bytes) -> bytes:
        return zlib.crc32(b"".join((self._cluster, head, nonce, context, body))).to_bytes(4, "big")

    def _expand(self, body: bytes) -> bytes:
        expander = zlib.decompressobj()
        try:
            expanded = expander.decompress(body, self._max_body)
        except zlib.error:
            raise PeerError("compression") from None
        if not expander.eof:  # longer than the bound, or cut short
            raise PeerError("compression")
        return expanded
