"""What a membership needs of the world, as one value: `daemon.py` gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairlead.engine.swarm.ports import Authority, Caller, ClusterStore, Consensus, Listener


@dataclass(frozen=True, slots=True)
class Hands:
    """`seal` puts a store behind another that keeps nothing readable: (store, key of 64 hex digits)."""

    authority: Authority
    caller: Caller
    listener: Listener
    consensus: Consensus
    seal: Callable[[ClusterStore, str], ClusterStore]
