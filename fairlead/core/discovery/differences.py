"""What a change of rows comes to on this node, as values."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.discovery import MeshPort, Presence
from fairlead.model.network import Address


@dataclass(frozen=True, slots=True)
class Named:
    """The names of one owner (an endpoint or a service, by id) on the network, and the addresses that they have.

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
class ServiceChange:
    """`head` None: nobody of the service is left. `joined` are backends that are new or other than before, `left` the
    endpoint ids of those that are none any more."""

    service_id: str
    head: ServiceHead | None
    joined: tuple[Presence, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """To be applied in this order: what is gone first, so that an address finds its new owner.

    `unforward` are endpoint ids, `unnamed` owners. `forward` is new or goes elsewhere than before.
    """

    unforward: tuple[str, ...] = ()
    forward: tuple[Presence, ...] = ()
    unnamed: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    services: tuple[ServiceChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.unforward or self.forward or self.unnamed or self.named or self.services)
