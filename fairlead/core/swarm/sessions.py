"""Whose a session is: its token makes the calls of a session the node's that opened it, and nobody else's.

A token is drawn by its node. One that was overheard, guessed or replayed is worth nothing from another node, since a
call counts only where the token and the certificate that it came with belong together. A node has one session; opening
another ends the one before, so that what a node's former life still sends is refused.
"""

from __future__ import annotations

import re

from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.swarm.identity import Peer

_TOKEN = re.compile(r"[0-9a-f]{32}")


class Sessions:
    """Invariant: a node has at most one token, and a token one node."""

    def __init__(self) -> None:
        self._nodes: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def open(self, token: str, peer: Peer) -> None:
        """The session `token` is the peer's from now on. Raises Invalid for what is no token, and NotAllowed for a
        token in use."""
        if not _TOKEN.fullmatch(token):
            raise Invalid("invalid session token: it has 32 hexadecimal digits")
        if token in self._nodes:
            raise NotAllowed(f"session invalid: node {peer.node_id} opened one with a token that is in use")
        self._nodes.pop(self._tokens.pop(peer.node_id, ""), None)
        self._nodes[token], self._tokens[peer.node_id] = peer.node_id, token

    def check(self, token: str, peer: Peer) -> None:
        """Raises NotAllowed unless the session is the peer's present one."""
        owner = self._nodes.get(token)
        if owner is None:
            raise NotAllowed("session invalid: it has ended, or was opened with another manager")
        if owner != peer.node_id:
            raise NotAllowed(f"session invalid: it is not that of node {peer.node_id}")

    def close(self, token: str) -> None:
        """The session has ended; nothing happens if another took its place."""
        owner = self._nodes.pop(token, None)
        if owner is not None:
            del self._tokens[owner]
