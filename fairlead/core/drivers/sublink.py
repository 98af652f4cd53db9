"""What macvlan and ipvlan share: an interface inside the sandbox that the host's parent interface carries.

The host has no end of such an interface, so nothing can be published, and by the kernel's design the host and its own
sub-interfaces do not see each other. The gateway is a machine on the physical network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from fairlead.core.drivers import endpoint_options, options, parents
from fairlead.core.drivers.contract import Abilities, Attachment, Expected, Neighbourhood, Site
from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.host import HostFacts
from fairlead.model.network import LOCAL, Network, NetworkSpec
from fairlead.model.plan import (
    HOST,
    AddAddress,
    AddMacvlan,
    AnnounceAddress,
    DelLink,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)


class Sublink(ABC):
    """A driver whose endpoints are sub-interfaces of a parent; the two kinds say how one is made."""

    name = ""
    scope = LOCAL
    can = Abilities()

    def gateway(self, spec: NetworkSpec) -> bool:
        """A network that stands alone has nobody to be its gateway."""
        return not spec.internal and bool(spec.options.get(parents.PARENT))

    def link(self, network: Network) -> str:
        return parents.name_of(network)

    def segment(self, network: Network) -> str:
        return "" if parents.stands_alone(network) else parents.name_of(network)

    def stands_on(self, network: Network) -> tuple[str, ...]:
        return parents.needs(network)

    def namespace(self, network: Network, facts: HostFacts) -> str:
        return ""

    def _require(self, facts: HostFacts) -> None:
        if self.name not in facts.features:
            raise Failed(f"this kernel has no {self.name}: load its module, or choose another driver")

    def create(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan(tuple(parents.build(network, around.facts)))

    def remove(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan(tuple(parents.raze(network, around.others, around.facts)))

    @abstractmethod
    def _interface(self, network: Network, endpoint: Endpoint, ns: str) -> AddMacvlan:
        """The operation that makes the endpoint's interface."""

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        heard = endpoint.addresses if self._is_heard(network) else ()
        told = (AnnounceAddress(endpoint.ifname, a.ip, endpoint.mac, site.ns) for a in heard)
        return Plan((*self._wire(network, endpoint, site), *told))

    def _is_heard(self, network: Network) -> bool:
        """Whether the interface can speak to its segment at all."""
        return True

    def _wire(self, network: Network, endpoint: Endpoint, site: Site) -> Iterator[Operation]:
        name, ns = endpoint.ifname, site.ns
        yield self._interface(network, endpoint, ns)
        if (endpoint.ipv6 is not None) != site.ipv6:
            yield SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0" if endpoint.ipv6 else "1", ns)
        yield from endpoint_options.sysctl_operations(endpoint, ns)
        for address in endpoint.addresses:
            yield AddAddress(name, address, ns)
        yield SetLink(name, ns, up=True)

    def detach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        """The interface lies in the sandbox alone: it dies with it, or is removed in it."""
        return Plan(() if site.ns == HOST else (DelLink(endpoint.ifname, site.ns),))

    def publish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def unpublish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        return Leg.by_gateway(network, endpoint)

    def expected(self, network: Network, attachments: Sequence[Attachment], facts: HostFacts) -> Expected:
        operations = list(parents.build(network, facts))
        for attachment in attachments:
            site = Site(facts, attachment.ns, attachment.ipv6)
            operations += self._wire(network, attachment.endpoint, site)
        return Expected(tuple(operations))


def mtu_of(network: Network) -> int:
    """0 leaves it to the parent's."""
    given = network.options.get(options.MTU, "")
    return options.mtu(options.MTU, given) if given else 0
