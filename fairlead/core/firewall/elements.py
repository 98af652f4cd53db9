"""The elements that networks, endpoints, published ports and links add to the host's table.

Every function returns all elements of its subject and nothing else, so that what was added is what is removed, and
what must be there (reconcile) is what was added.

Neighbouring ports of one protocol that keep their number become one interval, however many they are: a range of
10,000 ports is one element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import groupby

from fairlead.core.firewall.network_rules import NAT, ROUTED, UNPROTECTED, NetworkRules
from fairlead.core.firewall.table import FAMILY, LOOPBACK, LOOPBACK6, NAME, VERSIONS
from fairlead.model.endpoint import PublishedPort
from fairlead.model.network import Address
from fairlead.model.ruleset import Element, Interval, Key, Transaction

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
"""IANA's protocol numbers."""

SHORTEST_RANGE = 8
"""From how many neighbouring ports on an interval is written: sets of intervals are rebuilt by the kernel on every
change, so a few single ports are better off in the hash."""


def change(add: Iterable[Element] = (), remove: Iterable[Element] = ()) -> Transaction:
    """Elements of the host's table as one transaction."""
    return Transaction(FAMILY, NAME, add=tuple(add), remove=tuple(remove))


def network_elements(rules: NetworkRules) -> tuple[Element, ...]:
    """What a network adds."""
    return tuple(_network_elements(rules))


def _network_elements(rules: NetworkRules) -> Iterator[Element]:
    link = rules.link
    yield Element("bridges", (link,))
    if rules.icc:
        yield Element("direct", (link, link))
    if rules.internal:
        yield Element("internal", (link,))
        return
    for trusted in rules.trusted:
        yield Element("direct", (trusted, link))
    for version in VERSIONS:
        mode, source = rules.mode(version), rules.source(version)
        if mode in (NAT, UNPROTECTED) and source is not None:
            yield Element(f"source{version}", (link,), (source,))
        elif mode in (NAT, UNPROTECTED) and rules.masquerade:
            yield Element(f"masquerade{version}", (link,))
        if mode == UNPROTECTED:
            yield Element(f"unprotected{version}", (link,))
        if mode == ROUTED:
            yield Element(f"routed{version}", (link,))


def endpoint_elements(
    rules: NetworkRules, ipv4: IPv4Address | None, ipv6: IPv6Address | None, ports: Iterable[PublishedPort]
) -> tuple[Element, ...]:
    """What an endpoint adds that has these addresses and published ports.

    A port on a host address of a family that the endpoint has no address of adds nothing: its holder splices.
    Internal networks publish nothing.
    """
    targets: dict[int, Address] = {a.version: a for a in (ipv4, ipv6) if a is not None}
    if rules.internal:
        return ()
    shown = [port for port in ports if port.host_ip.version in targets]
    opened = [port for port in shown if rules.mode(port.host_ip.version) == ROUTED]
    translated = [port for port in shown if rules.mode(port.host_ip.version) != ROUTED]
    return (*_opened(opened, targets), *_published(translated, targets))


def _opened(ports: Iterable[PublishedPort], targets: dict[int, Address]) -> Iterator[Element]:
    keys = {(targets[p.host_ip.version], PROTOCOLS[p.protocol], p.container_port) for p in ports}
    return (Element(f"open{key[0].version}", key) for key in sorted(keys, key=lambda key: (key[0].version, *key[1:])))


def _published(ports: Iterable[PublishedPort], targets: dict[int, Address]) -> Iterator[Element]:
    for run in runs(ports):
        first, target = run[0], targets[run[0].host_ip.version]
        kept = first.host_port == first.container_port
        if len(run) >= SHORTEST_RANGE and kept:
            whole = Interval(first.host_port, run[-1].host_port)
            yield _element("_range", first, whole, (target,))
            continue
        for port in run:
            yield _element("", port, port.host_port, (target, port.container_port))


def runs(ports: Iterable[PublishedPort]) -> Iterator[Sequence[PublishedPort]]:
    """Ports in order, those together whose numbers follow each other on both sides."""
    ordered = sorted(ports, key=lambda p: (p.host_ip.version, int(p.host_ip), p.protocol, p.host_port))
    steps = enumerate(ordered)
    for _, run in groupby(steps, key=lambda s: (s[1].host_ip, s[1].protocol, s[1].host_port - s[0], _shift(s[1]))):
        yield [port for _, port in run]


def _shift(port: PublishedPort) -> int:
    return port.container_port - port.host_port


def _element(
    suffix: str, port: PublishedPort, service: int | Interval, data: tuple[Address] | tuple[Address, int]
) -> Element:
    number, version = PROTOCOLS[port.protocol], port.host_ip.version
    if port.host_ip.is_unspecified:
        return Element(f"any{suffix}{version}", (number, service), data)
    return Element(f"bound{suffix}{version}", (port.host_ip, number, service), data)


def link_elements(client: Sequence[Address], server: Sequence[Address], ports: Iterable[str]) -> tuple[Element, ...]:
    """What a legacy link adds on a network whose containers may not talk: `ports` are "80/tcp" as exposed by the
    server. Ranges ("7000-7010/tcp") are spelled out."""
    keys: list[Key] = [
        (source, target, protocol, port)
        for source in client
        for target in server
        if source.version == target.version
        for protocol, port in sorted(_exposed(ports))
    ]
    return tuple(Element(f"linked{4 if isinstance(key[0], IPv4Address) else 6}", key) for key in keys)


def _exposed(ports: Iterable[str]) -> set[tuple[int, int]]:
    found = set()
    for text in ports:
        numbers, _, protocol = text.partition("/")
        low, _, high = numbers.partition("-")
        found |= {(PROTOCOLS[protocol or "tcp"], port) for port in range(int(low), int(high or low) + 1)}
    return found


def local_elements(held: Iterable[tuple[str, Address]]) -> tuple[Element, ...]:
    """(link, address) of the host, for a table made without "nft_fib"."""
    pairs = sorted(set(held), key=lambda pair: (pair[0], pair[1].version, int(pair[1])))
    others = sorted({a for _, a in pairs if not a.is_loopback}, key=lambda a: (a.version, int(a)))
    local = (LOOPBACK, IPv6Network(LOOPBACK6), *(_alone(address) for address in others))
    return (
        *(Element(f"local{subnet.version}", (subnet,)) for subnet in local),
        *(Element(f"held{address.version}", (link, address)) for link, address in pairs),
    )


def _alone(address: Address) -> IPv4Network | IPv6Network:
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
