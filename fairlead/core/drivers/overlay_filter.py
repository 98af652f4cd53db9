"""The table inside an overlay network's namespace, `bridge fairlead`: nobody speaks in another's name.

Whatever a container sends must come from its own hardware and IP addresses, and what it says about addresses (ARP, ND)
must be about its own. Router advertisements and redirects pass in no direction. What comes out of the VXLAN was looked
at where it was sent from, and that it was one of our nodes is looked at outside (`overlay_underlay`).

Some (`forwarders`) pass on packets of others, with any source address: a node's own end of the routing mesh, and
containers that their users declared to be routers.

TCP connections to other nodes are told how large segments may be that arrive there in one piece (`segments`): the MTU
of the containers' interfaces is no more than was known when they were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from fairlead.core.drivers import overlay_options
from fairlead.model.endpoint import Endpoint
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    Chain,
    ClampMss,
    Element,
    InSet,
    LimitOver,
    Match,
    Meta,
    Payload,
    Rule,
    Set,
    Statement,
    Table,
    Verdict,
)
from fairlead.model.sandbox import INGRESS

FAMILY, NAME = "bridge", "fairlead"
_FIRST, _FILTER = -300, 0
STORM = 1000
"""Packets a second to all or to groups, of all endpoints of a network on one host. Only networks that carry them to
other hosts at all (`com.fairlead.overlay.multicast`) can come near it."""
_IIF, _OIF = Meta("iifname"), Meta("oifname")
_AWAY = Match(_OIF, "==", "vxlan*")
_TYPE = Payload("ether", "type")
_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
_ICMPV6_TYPE = Payload("icmpv6", "type")
_ADVERTISEMENT, _REDIRECT, _SOLICITATION, _NEIGHBOUR = 134, 137, 135, 136
_NOBODY4, _NOBODY6 = IPv4Address(0), IPv6Address(0)


def table() -> Table:
    sets = (
        Set("selves", ("ifname", "ether_addr", "ipv4_addr")),
        Set("home", ("ifname", "ether_addr")),
        Set("home4", ("ifname", "ipv4_addr")),
        Set("home6", ("ifname", "ipv6_addr")),
        Set("forwarders", ("ifname",)),
        Set("segments", ("ether_type",), ("inet_service",)),
    )
    crowd = Match(Meta("pkttype"), "in", ("broadcast", "multicast"))
    storm = _rule("more than a network may say to all", crowd, LimitOver(STORM), DROP)
    begins = Match(Payload("tcp", "flags"), "&", ("syn",))
    clamp = _rule("segments that arrive in one piece", begins, ClampMss((_TYPE,), "segments"))
    away = _rule("to another node", _AWAY, Verdict("goto", "away"))
    chains = (
        Chain("elsewhere", tuple(_elsewhere())),
        Chain("arp", tuple(_arp())),
        Chain("ipv6", tuple(_ipv6())),
        Chain("prerouting", tuple(_prerouting()), "filter", "prerouting", _FIRST),
        Chain("away", (storm, clamp)),
        Chain("postrouting", (away,), "filter", "postrouting", _FILTER),
    )
    return Table(FAMILY, NAME, sets, chains)


def _rule(comment: str, *statements: Statement) -> Rule:
    return Rule(statements, comment)


def _elsewhere() -> Iterator[Rule]:
    """Looked at by its sender's node."""
    yield _no_router()
    yield _rule("looked at by its sender's node", ACCEPT)


def _no_router() -> Rule:
    routers = Match(_ICMPV6_TYPE, "in", (_ADVERTISEMENT, _REDIRECT))
    return _rule("nobody is a router here", Match(_TYPE, "==", "ip6"), routers, DROP)


def _prerouting() -> Iterator[Rule]:
    """What most packets are comes first: each passes here."""
    yield _rule("from another node", Match(_IIF, "==", "vxlan*"), Verdict("goto", "elsewhere"))
    own = InSet((_IIF, Payload("ether", "saddr"), Payload("ip", "saddr")), "selves")
    yield _rule("its own addresses", own, ACCEPT)
    yield _no_router()
    yield _rule("not its own hardware address", InSet((_IIF, Payload("ether", "saddr")), "home", negate=True), DROP)
    yield _rule("what it says about addresses", Match(_TYPE, "==", "arp"), Verdict("goto", "arp"))
    yield _rule("IPv6", Match(_TYPE, "==", "ip6"), Verdict("jump", "ipv6"))
    passes_on = InSet((_IIF,), "forwarders")
    yield _rule("passes on what others send", passes_on, Match(_TYPE, "in", ("ip", "ip6")), ACCEPT)
    yield _rule("forged, or of no protocol that is spoken here", DROP)


def _arp() -> Iterator[Rule]:
    yield _rule("another's hardware address", InSet((_IIF, Payload("arp", "saddr ether")), "home", negate=True), DROP)
    yield _rule("its own address", InSet((_IIF, Payload("arp", "saddr ip")), "home4"), ACCEPT)
    yield _rule("asks before it has one", Match(Payload("arp", "saddr ip"), "==", _NOBODY4), ACCEPT)
    yield _rule("another's address", DROP)


def _ipv6() -> Iterator[Rule]:
    about = InSet((_IIF, Payload("icmpv6", "taddr")), "home6", negate=True)
    yield _rule("advertises another's address", Match(_ICMPV6_TYPE, "==", _NEIGHBOUR), about, DROP)
    nobody = Match(Payload("ip6", "saddr"), "==", _NOBODY6)
    yield _rule("asks before it has an address", Match(_ICMPV6_TYPE, "==", _SOLICITATION), nobody, ACCEPT)
    yield _rule("its own address", InSet((_IIF, Payload("ip6", "saddr")), "home6"), ACCEPT)


def segment_elements(sizes: Mapping[int, int]) -> tuple[Element, ...]:
    """The largest TCP segments by IP version."""
    return tuple(Element("segments", (_ETHER_TYPES[version],), (size,)) for version, size in sizes.items())


def elements(endpoint: Endpoint) -> tuple[Element, ...]:
    """What an endpoint may say. Its link-local address follows from its hardware address (RFC 4291, appendix A)."""
    port = endpoint.host_ifname
    found = [Element("home", (port, endpoint.mac))]
    if endpoint.ipv4 is not None:
        found.append(Element("home4", (port, endpoint.ipv4.ip)))
        found.append(Element("selves", (port, endpoint.mac, endpoint.ipv4.ip)))
    if endpoint.ipv6 is not None:
        found += [Element("home6", (port, address)) for address in (endpoint.ipv6.ip, link_local(endpoint.mac))]
    if endpoint.container_id == INGRESS or overlay_options.is_router(endpoint):
        found.append(Element("forwarders", (port,)))
    return tuple(found)


def link_local(mac: str) -> IPv6Address:
    raw = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes((raw[0] ^ 2,)) + raw[1:3] + b"\xff\xfe" + raw[3:])
