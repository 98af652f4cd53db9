"""The hands, as one value: what `daemon.py` gives to the engine."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.engine.ports import (
    Clock,
    Entropy,
    EtcFiles,
    Kernel,
    LeaseClients,
    NameServer,
    Namespaces,
    Ports,
    Store,
)


@dataclass(frozen=True, slots=True)
class World:
    clock: Clock
    entropy: Entropy
    store: Store
    kernel: Kernel
    namespaces: Namespaces
    ports: Ports
    etc: EtcFiles
    name_server: NameServer
    leases: LeaseClients
