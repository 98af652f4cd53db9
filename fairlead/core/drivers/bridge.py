"""Bridge networks: one Linux bridge per network, a veth pair per endpoint.

The bridge has the gateway's addresses, so the host routes for its containers. Whatever concerns packets that pass the
host (masquerading, isolation, published ports) is elements of the host's table; whatever stays on the bridge is never
seen by it. Where containers may not talk (`enable_icc=false`), their ports are isolated in the bridge itself.

IPv4 and IPv6 differ only in the values of addresses. An address family that the network does not have is switched off
on its bridge and in its interfaces, so that not even link-local addresses appear (CVE-2024-32473).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Interface, IPv6Interface, ip_address

from fairlead.core.drivers import bridge_options, endpoint_options, names, options, segments
from fairlead.core.drivers.bridge_options import BridgeOptions
from fairlead.core.drivers.contract import Abilities, Attachment, Expected, Neighbourhood, Site
from fairlead.core.firewall.elements import change, endpoint_elements, network_elements, runs
from fairlead.core.firewall.network_rules import ISOLATED
from fairlead.core.sandbox import Leg
from fairlead.model.endpoint import UDP, Endpoint, PublishedPort
from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.host import HostFacts
from fairlead.model.network import LOCAL, Network, NetworkSpec, Pool
from fairlead.model.plan import (
    HOST,
    AddAddress,
    AddBridge,
    AddVeth,
    AnnounceAddress,
    ChangeRules,
    DelLink,
    FlushFlows,
    Interface,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import Element


class Bridge:
    """`docker network create -d bridge`, and the default one."""

    name = "bridge"
    scope = LOCAL
    can = Abilities(publishes_ports=True, holds_gateway=True)

    def gateway(self, spec: NetworkSpec) -> bool:
        return True

    def link(self, network: Network) -> str:
        return network.options.get(bridge_options.NAME) or names.bridge(network.id)

    def segment(self, network: Network) -> str:
        return ""

    def stands_on(self, network: Network) -> tuple[str, ...]:
        return ()

    def namespace(self, network: Network, facts: HostFacts) -> str:
        return ""

    def check_options(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return bridge_options.check(given)

    def validate(self, network: Network, around: Neighbourhood) -> tuple[str, ...]:
        warnings = self.check_options(network.options)
        chosen = bridge_options.read(network.options)
        options.require_room(chosen.mtu, network.ipv6)
        for version in (4, 6):
            if sum(pool.subnet.version == version for pool in network.pools) > 1:
                raise NotAllowed("bridge driver doesn't support multiple subnets")
        if ISOLATED in (chosen.mode4, chosen.mode6) and not network.internal:
            raise Invalid(f"gateway mode '{ISOLATED}' can only be used for an internal network")
        self._refuse_taken_name(network, around)
        return warnings

    def _refuse_taken_name(self, network: Network, around: Neighbourhood) -> None:
        link = self.link(network)
        for other in around.others:
            if other.link == link:
                raise NotAllowed(
                    f"cannot create network {network.id} ({link}): conflicts with network {other.id} ({link}): "
                    "networks have same bridge name"
                )
        there = around.facts.links.get(link)
        if there is not None and there.kind != "bridge":
            raise NotAllowed(f"cannot create network {network.name}: interface {link} exists and is not a bridge")

    def validate_endpoint(self, network: Network, endpoint: Endpoint) -> None:
        endpoint_options.check(endpoint.spec.driver_opts)

    def create(self, network: Network, around: Neighbourhood) -> Plan:
        there = around.facts.links.get(network.link)
        owner = around.facts.owner
        foreign = there is not None and not names.owner_of(owner, there.alias)
        made = () if foreign else (_own_bridge(network, owner),)
        return Plan((ChangeRules(change(add=_elements(network))), *made, *_settings(network, foreign)))

    def remove(self, network: Network, around: Neighbourhood) -> Plan:
        """The bridge goes unless somebody else had made it; then it only loses our addresses. Its elements, which
        keep others out, come before it and go after it. Its name is free at once; the rest of it takes the kernel
        30 ms, for which nobody waits."""
        link, there = network.link, around.facts.links.get(network.link)
        unmade: tuple[Operation, ...]
        if there is None:
            unmade = (DelLink(link),)
        elif names.owner_of(around.facts.owner, there.alias):
            gone = names.removed(network.id)
            vacated = (SetLink(link, up=False), SetLink(link, rename=gone), DelLink(gone, deferred=True))
            unmade = (*_unaddressed(network), *vacated)
        else:
            unmade = tuple(_unaddressed(network))
        return Plan((*unmade, ChangeRules(change(remove=_elements(network)))))

    def attach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        chosen = bridge_options.read(network.options)
        # Also when others lie in the segment: they may still be on their way, and what is there already is left alone.
        owner, segment = site.facts.owner, endpoint.segment
        ground = segments.build(network, segment, owner, chosen.mtu, chosen.icc) if segment else ()
        wired = _wire(network, endpoint, chosen, site)
        return Plan((*ground, *wired, *_announce(endpoint, site.ns))) + self.publish(network, endpoint)

    def detach(self, network: Network, endpoint: Endpoint, site: Site) -> Plan:
        last = endpoint.segment > 0 and not site.shared
        ground = segments.raze(network, endpoint.segment) if last else ()
        unwired = (*_vacate(endpoint, site.ns), DelLink(endpoint.host_ifname, deferred=True))
        return self.unpublish(network, endpoint) + Plan((*unwired, *ground))

    def publish(self, network: Network, endpoint: Endpoint) -> Plan:
        added = _endpoint_elements(network, endpoint)
        if not added:
            return Plan()
        return Plan((ChangeRules(change(add=added)), *_stale_flows(endpoint.published)))

    def unpublish(self, network: Network, endpoint: Endpoint) -> Plan:
        removed = _endpoint_elements(network, endpoint)
        if not removed:
            return Plan()
        udp = any(port.protocol == UDP for port in endpoint.published)
        stale = (FlushFlows(a.ip, 0, UDP, reply=True) for a in endpoint.addresses if udp)
        return Plan((ChangeRules(change(remove=removed)), *stale))

    def leg(self, network: Network, endpoint: Endpoint) -> Leg:
        return Leg.by_gateway(network, endpoint)

    def expected(self, network: Network, attachments: Sequence[Attachment], facts: HostFacts) -> Expected:
        chosen = bridge_options.read(network.options)
        there = facts.links.get(network.link)
        foreign = there is not None and not names.owner_of(facts.owner, there.alias)
        operations: list[Operation] = [] if foreign else [_own_bridge(network, facts.owner)]
        operations += _settings(network, foreign)
        for segment in sorted({a.endpoint.segment for a in attachments} - {0}):
            operations += segments.build(network, segment, facts.owner, chosen.mtu, chosen.icc)
        elements = list(_elements(network))
        for attachment in attachments:
            site = Site(facts, attachment.ns, attachment.ipv6)
            operations += _wire(network, attachment.endpoint, chosen, site)
            elements += _endpoint_elements(network, attachment.endpoint)
        return Expected(tuple(operations), tuple(elements))


def _own_bridge(network: Network, owner: str) -> AddBridge:
    mtu = bridge_options.read(network.options).mtu
    alias = names.tag(owner, names.NETWORK, network.id)
    return AddBridge(network.link, _bridge_mac(network.id), mtu, alias, options=segments.BRIDGE)


def _bridge_mac(network_id: str) -> str:
    """Fixed by the network, since a bridge without one of its own changes it as ports come and go."""
    return (b"\x02\x42" + sha256(network_id.encode()).digest()[:4]).hex(":")


def _settings(network: Network, foreign: bool) -> Iterator[Operation]:
    """Sysctls, then addresses, then up. Published ports on loopback need route_localnet; the table's `guard` closes
    what it opens. A bridge that somebody else made keeps the IPv6 that it may have for other purposes."""
    link, ipv6 = network.link, "net/ipv6/conf"
    if network.ipv6 or not foreign:
        yield SetSysctl(f"{ipv6}/{link}/disable_ipv6", "0" if network.ipv6 else "1")
    if network.ipv6:
        yield SetSysctl(f"{ipv6}/{link}/accept_ra", "0")
    if network.ipv4 and not network.internal:
        yield SetSysctl(f"net/ipv4/conf/{link}/route_localnet", "1")
    for address in _gateways(network):
        yield AddAddress(link, address)
    yield SetLink(link, up=True)


def _gateways(network: Network) -> Iterator[Interface]:
    chosen = bridge_options.read(network.options)
    for pool in network.pools:
        if pool.gateway is not None and chosen.holds_gateway(pool.subnet.version):
            yield _with_prefix(pool)


def _unaddressed(network: Network) -> Iterator[Operation]:
    """Addresses go at once, because a bridge that waits for its end would still hold its subnet."""
    return (AddAddress(network.link, address).inverse() for address in _gateways(network))


def _with_prefix(pool: Pool) -> Interface:
    address, length = str(pool.gateway), pool.subnet.prefixlen
    return IPv4Interface((address, length)) if pool.subnet.version == 4 else IPv6Interface((address, length))


def _elements(network: Network) -> tuple[Element, ...]:
    return network_elements(bridge_options.read(network.options).rules(network.link, network.internal))


def _endpoint_elements(network: Network, endpoint: Endpoint) -> tuple[Element, ...]:
    if not endpoint.published:
        return ()
    rules = bridge_options.read(network.options).rules(network.link, network.internal)
    ipv4, ipv6 = endpoint.ipv4, endpoint.ipv6
    return endpoint_elements(rules, ipv4.ip if ipv4 else None, ipv6.ip if ipv6 else None, endpoint.published)


def _wire(network: Network, endpoint: Endpoint, chosen: BridgeOptions, site: Site) -> Iterator[Operation]:
    """The pair, its settings, its addresses, up: in that order, so that nothing is sent from a half-made interface."""
    name, ns = endpoint.ifname, site.ns
    yield AddVeth(
        endpoint.host_ifname,
        name,
        ns,
        endpoint.mac,
        segments.master(network, endpoint.segment),
        chosen.mtu,
        names.tag(site.facts.owner, names.ENDPOINT, endpoint.id),
        port={} if chosen.icc else {"isolated": 1},
    )
    if (endpoint.ipv6 is not None) != site.ipv6:
        yield SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0" if endpoint.ipv6 else "1", ns)
    yield from endpoint_options.sysctl_operations(endpoint, ns)
    for address in endpoint.addresses:
        yield AddAddress(name, address, ns)
    for text in endpoint.spec.link_local:
        yield AddAddress(name, _host_route(text), ns)
    yield SetLink(name, ns, up=True)


def _host_route(text: str) -> Interface:
    address = ip_address(text)
    return IPv4Interface((address, 16)) if address.version == 4 else IPv6Interface((address, 64))


def _announce(endpoint: Endpoint, ns: str) -> Iterator[Operation]:
    """A MAC that the user chose does not follow from the address, so neighbours may remember another one for it."""
    if endpoint.spec.mac:
        for address in endpoint.addresses:
            yield AnnounceAddress(endpoint.ifname, address.ip, endpoint.mac, ns)


def _stale_flows(ports: Iterable[PublishedPort]) -> Iterator[FlushFlows]:
    """UDP clients that asked before the port was published would go on asking whoever had it: one look at the flows
    for each run of neighbouring ports."""
    for run in runs(port for port in ports if port.protocol == UDP):
        first, last = run[0].host_port, run[-1].host_port
        yield FlushFlows(run[0].host_ip, first, UDP, last=last if last > first else 0)


def _vacate(endpoint: Endpoint, ns: str) -> Iterator[Operation]:
    """Free the interface's name and addresses in a sandbox that goes on: the pair itself goes a moment later, since
    deleting one takes the kernel some 20 ms and renaming it 0.2."""
    if ns == HOST:
        return
    name = endpoint.ifname
    yield SetLink(name, ns, up=False)
    for address in endpoint.addresses:
        yield AddAddress(name, address, ns).inverse()
    yield SetLink(name, ns, rename=f"gone{endpoint.host_ifname.removeprefix('veth')}")
