"""What a change of rows comes to on this node, as values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fairlead.model.discovery import MeshPort, Presence
from fairlead.model.network import Address


@dataclass(frozen=True, slots=True)
class Named:
    """The names of one owner (an endpoint by its id, or a service) on the network, and the addresses that they have.

    `reverse` is what the addresses are called by, "" for nothing. `virtual`: they are a service's own and stay as long
    as it does.
    """

    owner: str
    names: tuple[str, ...]
    addresses: tuple[Address, ...]
    reverse: str = ""
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class ServiceHead:
    """What all tasks of a service say alike; where they differ, in the midst of an update, all that any of them says.

    `vips` is empty for a service that is known by the addresses of its tasks.
    """

    service_id: str
    name: str
    aliases: tuple[str, ...] = ()
    vips: tuple[Address, ...] = ()
    mesh: tuple[MeshPort, ...] = ()
    balance: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """`serving` are its tasks that take new connections, `leaving` those that only keep what they have: they start, are
    asked to stop, or their node is lost. In no order, and not copied: they are looked at before the view changes."""

    head: ServiceHead
    serving: Collection[Presence] = ()
    leaving: Collection[Presence] = ()


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """`before` is the head that was last said, None for a service that is new; `now` None: no task of it is left.
    `tasks` are those that changed: as they were and as they are, None for one that was not there or is there no
    more."""

    service_id: str
    before: ServiceHead | None
    now: Service | None
    tasks: tuple[tuple[Presence | None, Presence | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """To be applied in this order: what is gone first, so that an address finds its new owner.

    `unforward` are endpoint ids, `unnamed` owners. `forward` is new or goes elsewhere than before. `balancers`: all
    nodes' own endpoints on the network, if that changed.
    """

    unforward: tuple[str, ...] = ()
    forward: tuple[Presence, ...] = ()
    unnamed: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    services: tuple[ServiceChange, ...] = ()
    balancers: tuple[Presence, ...] | None = None

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Differences()
