"""The host's table, `inet fairlead`: a constant number of rules over sets and maps.

A network, an endpoint or a published port never adds a rule; it adds elements (`fairlead.core.firewall.elements`).
The path of a packet, hook by hook:

- *guard* (prerouting, before connection tracking): a loopback address that comes from a wire is a lie, whatever
  route_localnet says (CVE-2020-8558). Replies to translated loopback clients still carry the bridge's address here.
- *prerouting* and *output* (destination translation): only destinations that are local to this host are looked up
  (CVE-2025-67499). `published`: address-bound ports first, then those of every address. A bound address is a
  boundary: from outside it counts only on the interface that holds it; our own containers and the host itself may
  use it wherever they are. `::1` is left alone: the kernel will not route from it, so the port's holder splices.
- *forward*: known connections pass, and so does what stays inside a network or comes from an interface that one
  trusts. Another new connection that comes from a bridge is checked in `leaving` (is its source at home there? may
  the network speak to others at all?), one that goes to a bridge in `entering`: translated by us, or opened on
  purpose; everything else is dropped. That one drop keeps networks apart and unpublished ports closed, also for
  direct routes from outside.
- *input*: router advertisements are not for containers to send (CVE-2020-13401).
- *answer* (filter on output): no redirects to containers whose only way to each other is through the host.
- *postrouting* (source translation): towards a bridge only where the way back would miss us (loopback clients,
  containers through a published port) and else never, so a service sees its client; from a bridge to the outside by
  masquerading or to a fixed address.

Packets between containers of one network are bridged and never come here (`fairlead.core.firewall.ground`).

Administrators put their own rules into the chain `forward` of table `inet fairlead-user`, which is consulted before
this table and which Fairlead makes when it is missing and never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address

from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    RETURN,
    Chain,
    Ct,
    Dnat,
    Fib,
    InSet,
    Masquerade,
    Match,
    Meta,
    Payload,
    Rule,
    Set,
    Snat,
    Statement,
    Table,
    Verdict,
)

FAMILY, NAME, USER_NAME = "inet", "fairlead", "fairlead-user"

RAW, DSTNAT, USER, FILTER, SRCNAT = -300, -100, -10, 0, 100
"""Priorities of the base chains, nft's own numbers; the user's chain lies before ours."""

LOOPBACK = IPv4Network("127.0.0.0/8")
LOOPBACK6 = IPv6Address("::1")
VERSIONS = (4, 6)

IIF, OIF, PROTOCOL = Meta("iifname"), Meta("oifname"), Meta("l4proto")
PORT = Payload("th", "dport")
_WORDS = {4: "ip", 6: "ip6"}
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_NFPROTO = {4: 2, 6: 10}
_ICMP = {4: ("icmp", 1), 6: ("icmpv6", 58)}
_REDIRECT = {4: 5, 6: 137}
_ROUTER_ADVERTISEMENT = 134
_INTERVAL = frozenset({"interval"})


def saddr(version: int) -> Payload:
    return Payload(_WORDS[version], "saddr")


def daddr(version: int) -> Payload:
    return Payload(_WORDS[version], "daddr")


def host_table(features: Iterable[str]) -> Table:
    """The table for a kernel with these `features` (`HostFacts.features`).

    Without "nft_fib" the host's addresses are looked up in sets that `elements.local_elements` fills, and forged
    sources are left to the kernel's rp_filter.
    """
    fib = "nft_fib" in set(features)
    chains = (_guard(), *_destinations(fib), *_forward(fib), _input(), _answer(), _postrouting())
    return Table(FAMILY, NAME, sets=tuple(_sets(fib)), chains=chains)


def user_table() -> Table:
    """The administrator's own: made when it is missing (`Transaction.ensure`), never changed."""
    return Table(FAMILY, USER_NAME, chains=(Chain("forward", (), "filter", "forward", USER),))


def _rule(comment: str, *statements: Statement) -> Rule:
    return Rule(statements, comment)


def _is(version: int) -> Match:
    """The packet is of IP `version`. Said before every look into an IP header: the offsets of one family's fields
    hold something else in the other's."""
    return Match(Meta("nfproto"), "==", _NFPROTO[version])


def _sets(fib: bool) -> Iterator[Set]:
    for name in ("bridges", "internal"):
        yield Set(name, ("ifname",))
    yield Set("direct", ("ifname", "ifname"))
    port = ("inet_proto", "inet_service")
    for version, address in _TYPES.items():
        yield Set(f"any{version}", port, (address, "inet_service"))
        yield Set(f"any_range{version}", port, (address,), _INTERVAL)
        yield Set(f"bound{version}", (address, *port), (address, "inet_service"))
        yield Set(f"bound_range{version}", (address, *port), (address,), _INTERVAL)
        yield Set(f"open{version}", (address, *port))
        yield Set(f"linked{version}", (address, address, *port))
        yield Set(f"masquerade{version}", ("ifname",))
        yield Set(f"source{version}", ("ifname",), (address,))
        yield Set(f"unprotected{version}", ("ifname",))
        yield Set(f"routed{version}", ("ifname",))
        if not fib:
            yield Set(f"local{version}", (address,), (), _INTERVAL)
            yield Set(f"held{version}", ("ifname", address))


def _guard() -> Chain:
    comment = "loopback addresses never come from a wire"
    rules = [_rule("the loopback interface itself", Match(IIF, "==", "lo"), RETURN)]
    for version, address in ((4, LOOPBACK), (6, LOOPBACK6)):
        for field in (daddr(version), saddr(version)):
            rules.append(_rule(comment, _is(version), Match(field, "==", address), DROP))
    return Chain("guard", tuple(rules), "filter", "prerouting", RAW)


def _destinations(fib: bool) -> Iterator[Chain]:
    published = Verdict("goto", "published")
    yield Chain("published", (*_bound_ports(), *_any_ports()))
    yield Chain("published_anywhere", tuple(_any_ports()))
    arriving = (
        *_return_unless_local(fib),
        _rule("our containers may use any address of this host", InSet((IIF,), "bridges"), published),
        *_held_here(fib, published),
        _rule("an address that another interface holds", Verdict("goto", "published_anywhere")),
    )
    yield Chain("prerouting", arriving, "nat", "prerouting", DSTNAT)
    own = (
        _rule("the holder of the port splices ::1", _is(6), Match(daddr(6), "==", LOOPBACK6), RETURN),
        *_return_unless_local(fib),
        _rule("this host's own clients", published),
    )
    yield Chain("output", own, "nat", "output", DSTNAT)


def _bound_ports() -> Iterator[Rule]:
    for version, family in _WORDS.items():
        key = (daddr(version), PROTOCOL, PORT)
        yield _rule("a port of one address", _is(version), Dnat(family, key, f"bound{version}"))
        yield _rule("ports of one address", _is(version), Dnat(family, key, f"bound_range{version}"))


def _any_ports() -> Iterator[Rule]:
    for version, family in _WORDS.items():
        key = (PROTOCOL, PORT)
        yield _rule("a port of every address", _is(version), Dnat(family, key, f"any{version}"))
        yield _rule("ports of every address", _is(version), Dnat(family, key, f"any_range{version}"))


def _return_unless_local(fib: bool) -> Iterator[Rule]:
    comment = "only what is addressed to this host"
    if fib:
        yield _rule(comment, Match(Fib(("daddr",), "type"), "!=", "local"), RETURN)
        return
    for version in VERSIONS:
        foreign = InSet((daddr(version),), f"local{version}", negate=True)
        yield _rule(comment, _is(version), foreign, RETURN)


def _held_here(fib: bool, verdict: Verdict) -> Iterator[Rule]:
    comment = "on the interface that holds the address"
    if fib:
        yield _rule(comment, Match(Fib(("daddr", "iif"), "type"), "==", "local"), verdict)
        return
    for version in VERSIONS:
        yield _rule(comment, _is(version), InSet((IIF, daddr(version)), f"held{version}"), verdict)


def _forward(fib: bool) -> Iterator[Chain]:
    yield Chain("leaving", tuple(_leaving(fib)))
    yield Chain("entering", tuple(_entering()))
    rules = (
        _rule("known connections", Match(Ct("state"), "&", ("established", "related")), ACCEPT),
        _rule("within a network, or from a trusted interface", InSet((IIF, OIF), "direct"), ACCEPT),
        _rule("from a container", InSet((IIF,), "bridges"), Verdict("jump", "leaving")),
        _rule("to a container", InSet((OIF,), "bridges"), Verdict("jump", "entering")),
    )
    yield Chain("forward", rules, "filter", "forward", FILTER)


def _leaving(fib: bool) -> Iterator[Rule]:
    if fib:
        yield _rule("a forged source: no way back to this bridge", Match(Fib(("saddr", "iif"), "oif"), "==", 0), DROP)
    yield _rule("internal networks speak to nobody else", InSet((IIF,), "internal"), DROP)


def _entering() -> Iterator[Rule]:
    for version in VERSIONS:
        linked = InSet((saddr(version), daddr(version), PROTOCOL, PORT), f"linked{version}")
        yield _rule("opened by a link", _is(version), linked, ACCEPT)
    yield _rule("nobody else speaks to internal networks", InSet((OIF,), "internal"), DROP)
    yield _rule("published", Match(Ct("status"), "&", ("dnat",)), ACCEPT)
    for version in VERSIONS:
        opened = InSet((daddr(version), PROTOCOL, PORT), f"open{version}")
        yield _rule("published without translation", _is(version), opened, ACCEPT)
    yield _rule("networks are apart", InSet((IIF,), "bridges"), DROP)
    for version, (_, icmp) in _ICMP.items():
        yield _rule("gateway mode nat-unprotected", _is(version), InSet((OIF,), f"unprotected{version}"), ACCEPT)
        echo = (_is(version), Match(PROTOCOL, "==", icmp), InSet((OIF,), f"routed{version}"))
        yield _rule("gateway mode routed", *echo, ACCEPT)
    yield _rule("what was not published is closed", DROP)


def _input() -> Chain:
    header, icmp = _ICMP[6]
    advertisement = Match(Payload(header, "type"), "==", _ROUTER_ADVERTISEMENT)
    rule = (Match(PROTOCOL, "==", icmp), _is(6), InSet((IIF,), "bridges"), advertisement, DROP)
    return Chain("input", (_rule("containers are no routers of this host", *rule),), "filter", "input", FILTER)


def _answer() -> Chain:
    """Everything that this host sends comes by: what costs nothing is asked first."""
    rules = []
    for version, (header, icmp) in _ICMP.items():
        redirect = Match(Payload(header, "type"), "==", _REDIRECT[version])
        matches = (Match(PROTOCOL, "==", icmp), _is(version), InSet((OIF,), "bridges"), redirect)
        rules.append(_rule("containers that may meet only here shall go on meeting here", *matches, DROP))
    return Chain("answer", tuple(rules), "filter", "output", FILTER)


def _postrouting() -> Chain:
    inward = InSet((OIF,), "bridges")
    translated = (InSet((IIF,), "bridges"), Match(Ct("status"), "&", ("dnat",)))
    loopback = (_is(4), Match(saddr(4), "==", LOOPBACK))
    rules = [
        _rule("a container through a published port: the answer comes back here", inward, *translated, Masquerade()),
        _rule("a client on this host's loopback", inward, *loopback, Masquerade()),
        _rule("else a container sees its client", inward, RETURN),
    ]
    for version, family in _WORDS.items():
        rules.append(_rule("a fixed outside address", _is(version), Snat(family, (IIF,), f"source{version}")))
        masked = InSet((IIF,), f"masquerade{version}")
        rules.append(_rule("the way out", _is(version), masked, Masquerade()))
    return Chain("postrouting", tuple(rules), "nat", "postrouting", SRCNAT)
