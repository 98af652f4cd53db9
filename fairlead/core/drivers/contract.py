"""What every network driver offers: verbs that return values, and fields that say what it is able to.

A driver decides; it changes nothing and asks nobody. The engine hands in the host as it is now, gets a plan, records
it and lets the kernel do it. Nobody outside this package compares driver names: whoever must know whether a network
publishes ports, say, reads `driver.can`.

Creating a network: `gateway(spec)` decides whether its pools get one, `validate` refuses what cannot be, `link` names
its interface, `create` plans it. Connecting: the engine fills the `Endpoint` (addresses, MAC, names) and calls
`attach`. Duties that hold for every driver:

- `validate` raises a `Refusal` before anything is touched; what it returns are warnings for the user.
- `detach` and `remove` are complete and idempotent: they work when half of it is gone, and when the sandbox is.
- `expected` gives everything that must be there; what `create` and `attach` make is exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import Endpoint
from fairlead.model.host import HostFacts
from fairlead.model.network import Network, NetworkSpec
from fairlead.model.plan import HOST, Operation, Plan
from fairlead.model.ruleset import Element


@dataclass(frozen=True, slots=True)
class Abilities:
    """What networks of a driver are like.

    - `addressed`: endpoints have addresses of the network's pools.
    - `own_namespace`: a container on it has a network namespace of its own (not so on the host's network).
    - `combines`: a container may be on other networks besides.
    - `singleton`: there is one such network, made by the daemon.
    - `publishes_ports`: ports can be shown outside.
    - `names`: the embedded DNS serves user-defined networks of this driver.
    - `holds_gateway`: the gateway is this host, at the network's own interface.
    - `own_mac`: endpoints have a hardware address of their own.
    - `leads_out`: it can be the way to the outside; a container on others alone gets one besides.
    """

    addressed: bool = True
    own_namespace: bool = True
    combines: bool = True
    singleton: bool = False
    publishes_ports: bool = False
    names: bool = True
    holds_gateway: bool = False
    own_mac: bool = True
    leads_out: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """Where an endpoint is attached or detached.

    `ns` is the path of the sandbox's namespace; HOST ("") on `detach` means that the namespace is going or gone.
    `ipv6` says whether new interfaces in it come up with IPv6. `shared` tells whether *other* endpoints lie in the
    endpoint's segment now: not for the first that comes and the last that goes.
    """

    facts: HostFacts
    ns: str = HOST
    ipv6: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """An endpoint and the namespace that it lies in, for `expected`."""

    endpoint: Endpoint
    ns: str
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be there: operations that hold (none of them is `missing`), and elements of the host's table."""

    operations: tuple[Operation, ...] = ()
    elements: tuple[Element, ...] = ()

    def __add__(self, other: Expected) -> Expected:
        return Expected(self.operations + other.operations, self.elements + other.elements)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The networks that exist besides the one in question, and the host's facts."""

    facts: HostFacts
    others: Sequence[Network] = field(default_factory=tuple)


class Driver(Protocol):
    """One kind of network. Drivers have no state."""

    @property
    def name(self) -> str:
        """As in `docker network create -d NAME`."""
        ...

    @property
    def scope(self) -> str:
        """`local` or `swarm`."""
        ...

    @property
    def can(self) -> Abilities: ...

    def gateway(self, spec: NetworkSpec) -> bool:
        """Whether the network's pools get a gateway where the user named none."""
        ...

    def link(self, network: Network) -> str:
        """The Linux name of the network's own interface ("" for none), from the network's id and options."""
        ...

    def segment(self, network: Network) -> str:
        """The host's interface on the physical segment that endpoints are on as well; "" where they are on none."""
        ...

    def stands_on(self, network: Network) -> tuple[str, ...]:
        """Links of the host that the network needs and does not make; when one comes back, it is to be repaired."""
        ...

    def namespace(self, network: Network, facts: HostFacts) -> str:
        """The file of the namespace that the network has for itself while endpoints are on it; "" for none."""
        ...

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Warnings about options of a network, wherever it shall be made; raises Invalid for a bad value."""
        ...

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        """Warnings about a network that shall be made; raises a `Refusal` when it cannot be."""
        ...

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        """Raise a `Refusal` for endpoint options (MAC, driver options) that this network cannot honour."""
        ...

    def create(self, network: Network, around: Neighbourhood) -> Plan:
        """Make the network's own interface and its elements. Running it again changes nothing."""
        ...

    def remove(self, network: Network, around: Neighbourhood) -> Plan:
        """Take back what `create` made and no other network uses. `around.facts.links` must be of now."""
        ...

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        """Give the sandbox its interface, addressed and up, and publish the endpoint's ports. Default routes are
        the sandbox's (`fairlead.core.sandbox`)."""
        ...

    def detach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        """Take back what `attach` made."""
        ...

    def publish(self, network: Network, endpoint: Endpoint) -> Plan:
        """Publish `endpoint.published` alone, for a sandbox whose ports move to this endpoint."""
        ...

    def unpublish(self, network: Network, endpoint: Endpoint) -> Plan:
        """Take back what `publish` made."""
        ...

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        """The endpoint as the sandbox's routes see it."""
        ...

    def expected(self, network: Network, attachments: Sequence[Attachment], facts: HostFacts) -> Expected:
        """What must be there for the network and these endpoints."""
        ...
