"""Overlay networks: per network and host a namespace with a bridge and a VXLAN per subnet, a veth pair per endpoint.

The namespace is there while an endpoint of this host is on the network. Its bridges have the gateways' addresses, the
same on every node. Nothing is learned from what passes: where a hardware address lives is told by the swarm
(`overlay_stations`) and for our own endpoints by us, and what nobody told of is sent nowhere. The VXLAN device answers
ARP and neighbour solicitations for the endpoints of other nodes, so no question leaves the host either.

The VXLAN device is made on the host, whose address its packets bear, and moved; its socket stays there. It is removed
before its namespace, which the kernel takes down when it finds the time: until then the VXLAN id would be in use.

An overlay is no way out: that is `docker_gwbridge`'s, which the engine adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from fairlead.core.drivers import (
    endpoint_options,
    names,
    overlay_filter,
    overlay_mtu,
    overlay_options,
    overlay_underlay,
)
from fairlead.core.drivers.contract import Abilities, Attachment, Expected, Neighbourhood, Site
from fairlead.core.drivers.overlay_segments import Segment, place, segments
from fairlead.core.firewall import ground
from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.host import HostFacts, Underlay
from fairlead.model.network import SWARM, Network, NetworkSpec
from fairlead.model.plan import (
    HOST,
    AddAddress,
    AddBridge,
    AddNamespace,
    AddPortEntry,
    AddRoute,
    AddVeth,
    AddVxlan,
    AnnounceAddress,
    ChangeRules,
    DelLink,
    DelNamespace,
    DelPortEntry,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import Transaction

_PORT = {"learning": 0, "unicast_flood": 0}
_WIRE = {"learning": 0}
"""The VXLAN's port takes what no other port has: its own table decides, and has no entry for the unknown."""


_GROUPS = IPv4Network("224.0.0.0/4")
"""Without a route of their own, groups would be sought beyond the default gateway."""


class Overlay:
    """`docker network create -d overlay`, once the swarm has decided about it."""

    name = "overlay"
    scope = SWARM
    can = Abilities(leads_out=False)

    def gateway(self, spec: NetworkSpec) -> bool:
        return True

    def link(self, network: Network) -> str:
        return ""

    def segment(self, network: Network) -> str:
        return ""

    def stands_on(self, network: Network) -> tuple[str, ...]:
        return ()

    def namespace(self, network: Network, facts: HostFacts) -> str:
        return f"{facts.namespaces}/1-{network.id[:10]}"

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return overlay_options.check(given)

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        """Whether this host can have it. Raises Failed with the reason."""
        warnings = self.check_options(network.options)
        segments(network)
        if "vxlan" not in around.facts.features:
            raise Failed("this kernel has no vxlan: load its module")
        if overlay_options.read(network.options).encrypted and "esp" not in around.facts.features:
            raise Failed(
                f"network {network.name} is encrypted, and this kernel cannot encrypt: it has no ESP with AES-GCM "
                "(modules esp4, esp6 and gcm)"
            )
        mtu(network, around.facts)
        return warnings

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        endpoint_options.check(endpoint.spec.driver_opts)
        overlay_options.is_router(endpoint)

    def create(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan()

    def remove(self, network: Network, around: Neighbourhood) -> Plan:
        return Plan(tuple(self._raze(network, around.facts)))

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        # Also when others are there: they may still be on their way, and what stands is left alone.
        wired = (*self._build(network, site.facts), *self._wire(network, endpoint, site))
        return Plan((*wired, *_announce(endpoint, site.ns)))

    def detach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        home = self.namespace(network, site.facts)
        forgotten = (
            _change(home, remove=endpoint),
            DelPortEntry(endpoint.host_ifname, endpoint.mac, home),
            DelLink(endpoint.host_ifname, home, deferred=site.shared),
        )
        ground = self._raze(network, site.facts) if not site.shared else ()
        return Plan((*_vacate(endpoint, site.ns), *forgotten, *ground))

    def publish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def unpublish(self, network: Network, endpoint: Endpoint) -> Plan:
        return Plan()

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        return Leg(endpoint.id, network.name, endpoint.ifname, endpoint.spec.gw_priority, network.internal)

    def expected(self, network: Network, attachments: Sequence[Attachment], facts: HostFacts) -> Expected:
        if not attachments or facts.underlay is None:
            return Expected()
        operations = list(self._build(network, facts))
        for attachment in attachments:
            operations += self._wire(network, attachment.endpoint, Site(facts, attachment.ns, attachment.ipv6))
        return Expected(tuple(operations))

    # --- the ground -------------------------------------------------------------------------------

    def _build(self, network: Network, facts: HostFacts) -> Iterator[Operation]:
        """The namespace and what all endpoints share; the filters stand before anything could pass."""
        home, underlay = self.namespace(network, facts), _underlay(network, facts)
        yield ChangeRules(overlay_underlay.ensure(facts.features))
        yield _guard(network, add=True, port=underlay.port)
        yield AddNamespace(home)
        yield SetSysctl("net/ipv4/ip_forward", "0", home)
        yield from ground.settings(facts.features, home)
        yield SetSysctl("net/ipv6/conf/default/disable_ipv6", "1", home)
        yield ChangeRules(Transaction(overlay_filter.FAMILY, overlay_filter.NAME, ensure=overlay_filter.table()), home)
        yield _clamp(network, facts, home)
        tag, size = names.tag(facts.owner, names.NETWORK, network.id), mtu(network, facts)
        sources = overlay_underlay.SOURCES if overlay_options.read(network.options).encrypted else None
        if sources:
            yield overlay_underlay.silence(underlay)
        for segment in segments(network):
            yield AddBridge(segment.bridge, mtu=size, alias=tag, ns=home, options={"mcast_snooping": 0})
            yield from _gateways(segment, home)
            end = (underlay.port, underlay.address)
            yield AddVxlan(segment.vxlan, segment.vni, *end, mtu=size, alias=tag, ns=home, sources=sources)
            if network.ipv6:
                yield SetSysctl(f"net/ipv6/conf/{segment.vxlan}/disable_ipv6", "0", home)
            yield SetLink(segment.vxlan, home, up=True, master=segment.bridge, port=_WIRE)

    def _raze(self, network: Network, facts: HostFacts) -> Iterator[Operation]:
        home = self.namespace(network, facts)
        for segment in segments(network):
            yield DelLink(segment.vxlan, home)
        yield DelNamespace(home)
        yield _guard(network, add=False)

    # --- endpoints --------------------------------------------------------------------------------

    def _wire(self, network: Network, endpoint: Endpoint, site: Site) -> Iterator[Operation]:
        home, segment = self.namespace(network, site.facts), _segment(network, endpoint)
        tag, size = names.tag(site.facts.owner, names.ENDPOINT, endpoint.id), _size(network, site.facts)
        yield _change(home, add=endpoint)
        yield AddVeth(
            endpoint.host_ifname,
            endpoint.ifname,
            site.ns,
            endpoint.mac,
            segment.bridge,
            size,
            tag,
            home,
            port=_PORT,
        )
        yield AddPortEntry(endpoint.host_ifname, endpoint.mac, home)
        if (endpoint.ipv6 is not None) != site.ipv6:
            path = f"net/ipv6/conf/{endpoint.ifname}/disable_ipv6"
            yield SetSysctl(path, "0" if endpoint.ipv6 else "1", site.ns)
        yield from endpoint_options.sysctl_operations(endpoint, site.ns)
        for address in endpoint.addresses:
            yield AddAddress(endpoint.ifname, address, site.ns)
        yield SetLink(endpoint.ifname, site.ns, up=True)
        if overlay_options.read(network.options).multicast and endpoint.ipv4 is not None:
            yield AddRoute(_GROUPS, endpoint.ifname, ns=site.ns)


def mtu(network: Network, facts: HostFacts) -> int:
    """Raises Failed when the network's own choice cannot be."""
    chosen, underlay = overlay_options.read(network.options), _underlay(network, facts)
    return overlay_mtu.choose(chosen.mtu, underlay, chosen.encrypted, network.ipv6)


def _size(network: Network, facts: HostFacts) -> int:
    """What a new endpoint may send. Who has chosen an MTU gets it."""
    chosen, underlay = overlay_options.read(network.options), _underlay(network, facts)
    return chosen.mtu or overlay_mtu.fitting(0, underlay, chosen.encrypted, network.ipv6)


def _clamp(network: Network, facts: HostFacts, home: str) -> ChangeRules:
    chosen, underlay = overlay_options.read(network.options), _underlay(network, facts)
    size = overlay_mtu.fitting(chosen.mtu, underlay, chosen.encrypted, network.ipv6)
    elements = overlay_filter.segment_elements(overlay_mtu.segment_sizes(size))
    return ChangeRules(Transaction(overlay_filter.FAMILY, overlay_filter.NAME, likely=elements), home)


def _underlay(network: Network, facts: HostFacts) -> Underlay:
    if facts.underlay is None:
        raise Failed(f"network {network.name} spans a swarm, and this host is in none")
    return facts.underlay


def _segment(network: Network, endpoint: Endpoint) -> Segment:
    found = place(network, [address.ip for address in endpoint.addresses])
    if found is None:
        given = ", ".join(str(address.ip) for address in endpoint.addresses) or "no address"
        raise Failed(f"endpoint {endpoint.name} has {given}, which lies in no subnet of network {network.name}")
    return found


def _guard(network: Network, add: bool, port: int = 0) -> ChangeRules:
    """Our VXLAN ids, to be looked at on the host. The port is every network's and stays."""
    chosen = overlay_options.read(network.options)
    elements = [e for vni in chosen.vnis for e in overlay_underlay.vni_elements(vni, chosen.encrypted)]
    if add:
        elements.append(overlay_underlay.port_element(port))
    given = tuple(elements)
    family, name = overlay_underlay.FAMILY, overlay_underlay.NAME
    return ChangeRules(Transaction(family, name, likely=given) if add else Transaction(family, name, remove=given))


def _gateways(segment: Segment, home: str) -> Iterator[Operation]:
    if any(gateway.version == 6 for gateway in segment.gateways):
        yield SetSysctl(f"net/ipv6/conf/{segment.bridge}/disable_ipv6", "0", home)
        yield SetSysctl(f"net/ipv6/conf/{segment.bridge}/accept_ra", "0", home)
    for gateway in segment.gateways:
        yield AddAddress(segment.bridge, gateway, home)


def _change(home: str, add: Endpoint | None = None, remove: Endpoint | None = None) -> ChangeRules:
    added = overlay_filter.elements(add) if add else ()
    removed = overlay_filter.elements(remove) if remove else ()
    return ChangeRules(Transaction(overlay_filter.FAMILY, overlay_filter.NAME, add=added, remove=removed), home)


def _announce(endpoint: Endpoint, ns: str) -> Iterator[Operation]:
    """The other containers here may remember another hardware address for it (`overlay_stations.announced`)."""
    for address in endpoint.addresses:
        yield AnnounceAddress(endpoint.ifname, address.ip, endpoint.mac, ns)


def _vacate(endpoint: Endpoint, ns: str) -> Iterator[Operation]:
    """Free the interface's name and addresses in a sandbox that goes on; the pair itself goes a moment later."""
    if ns == HOST:
        return
    yield SetLink(endpoint.ifname, ns, up=False)
    for address in endpoint.addresses:
        yield AddAddress(endpoint.ifname, address, ns).inverse()
    yield SetLink(endpoint.ifname, ns, rename=f"gone{endpoint.host_ifname.removeprefix('veth')}")
