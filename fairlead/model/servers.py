"""IPVS in its own words, as values: virtual servers, the real servers behind them, and what changes between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.model.network import Address

QUIET = 0
"""The weight of a real server that keeps its connections and gets no new ones."""


@dataclass(frozen=True, slots=True, order=True)
class ServerKey:
    """What is served: packets that carry `mark`, of one IP `version`. Each connection keeps its port."""

    mark: int
    version: int


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """`scheduler` chooses among the `real` servers (address to weight), by translation of the destination alone.
    Their order is the kernel's to begin with."""

    key: ServerKey
    scheduler: str
    real: Mapping[Address, int]
