"""A call between nodes, as its listener hands it on, and what it is answered with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from fairlead.model.swarm.identity import Peer


@dataclass(frozen=True, slots=True)
class Call:
    """`peer` is who the verified client certificate speaks of; None for a stranger. `address` is HOST:PORT."""

    name: str
    body: bytes
    peer: Peer | None
    address: str


Reply = bytes | AsyncIterator[bytes]
"""The answer, or lines of a stream (each without its newline). The stream is closed when the caller goes."""

Answerer = Callable[[Call], Awaitable[Reply]]
"""Raises `Refusal`s, which reach the caller as the same class of refusal with the same text; the stream may too."""

MayCall = Callable[[str, Peer | None], bool]
"""Is a call open to this peer (None: to a stranger)?"""
