"""A namespace read whole: what `ip` and `nft` were told to make is what comes back as values."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface
from pathlib import Path

import pytest

from fairlead.core.firewall.elements import change, network_elements
from fairlead.core.firewall.network_rules import NetworkRules
from fairlead.core.firewall.table import FAMILY, NAME, host_table
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.netns import SocketSpec, open_sockets
from fairlead.effects.kernel.scenery import scene
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    Ct,
    Fib,
    Interval,
    Masquerade,
    Match,
    Meta,
    Payload,
    Reject,
    Statement,
    Transaction,
    Unread,
    Verdict,
    VerdictMap,
)
from fairlead.model.scene import BLACKHOLE, ELSEWHERE, LoadedTable, Scene
from tests.effects.kernel.conftest import run

pytestmark = pytest.mark.usefixtures("host")

NFT = """
add table inet t
add chain inet t f { type filter hook forward priority 5; policy drop; }
add rule inet t f ct state vmap { established : accept, invalid : drop }
add rule inet t f tcp dport { 22, 80-90 } accept
add rule inet t f iifname "a" oifname != { "b", "c" } limit rate 3/second accept
add rule inet t f tcp flags & (fin|syn|rst|ack) == syn accept
add rule inet t f meta mark & 0x4 == 0x4 ip protocol udp drop
add rule inet t f fib saddr . mark . iif oif missing drop
add rule inet t f icmpv6 type nd-router-advert reject with icmpx type admin-prohibited
add chain inet t p { type nat hook prerouting priority -100; }
add rule inet t p ip daddr 10.8.0.1 dnat ip to 10.0.0.1-10.0.0.9
"""
IPTABLES = (
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A FORWARD -m addrtype ! --dst-type LOCAL -j DROP",
    "-A FORWARD -p tcp --dport 80 -s 1.2.3.4 -m comment --comment hello -j REJECT",
    "-A FORWARD -m string --algo bm --string x -j DROP",
    "-P FORWARD DROP",
    "-t nat -A POSTROUTING -s 10.0.0.0/8 ! -o up0 -j MASQUERADE",
)


def rules(seen: Scene, family: str, name: str) -> list[tuple[Statement, ...]]:
    found = table(seen, family, name).table
    return [rule.statements for chain in found.chains for rule in chain.rules]


def table(seen: Scene, family: str, name: str) -> LoadedTable:
    return next(one for one in seen.tables if (one.table.family, one.table.name) == (family, name))


def test_foreign_rules_are_read_or_kept_as_unread(tmp_path: Path) -> None:
    listing = tmp_path / "rules"
    listing.write_text(NFT)
    run("nft", "-f", str(listing))
    states, ports, limited, syn, marked, strays, advert, spread = rules(scene("", [""]), "inet", "t")
    assert isinstance(states[0], VerdictMap)
    assert ports == (Match(Payload("tcp", "dport"), "in", (22, Interval(80, 90))), ACCEPT)
    assert limited[:2] == (Match(Meta("iifname"), "==", "a"), Match(Meta("oifname"), "not in", ("b", "c")))
    assert isinstance(limited[2], Unread)
    assert not limited[2].decides
    assert syn == (Match(Payload("tcp", "flags"), "&", ("syn",)), ACCEPT)
    assert marked == (Match(Meta("mark"), "&", 4), Match(Meta("l4proto"), "==", 17), DROP)
    assert strays == (Match(Fib(("saddr", "iif"), "oif"), "==", 0), DROP)
    assert advert == (Match(Payload("icmpv6", "type"), "==", 134), Reject("admin-prohibited"))
    assert isinstance(spread[1], Unread)
    assert spread[1].decides
    held = {element.key: element.data for element in table(scene("", [""]), "inet", "t").elements}
    assert held[("established",)] == Verdict("accept")


def test_what_iptables_wrote_is_read_as_far_as_it_matters() -> None:
    for line in IPTABLES:
        run("iptables", *line.split())
    seen = scene("", [""])
    known, local, refused, searched = rules(seen, "ip", "filter")
    assert known[0] == Match(Ct("state"), "&", ("established", "related"))
    assert local[0] == Match(Fib(("daddr",), "type"), "!=", "local")
    assert refused[:2] == (
        Match(Payload("ip", "saddr"), "==", IPv4Address("1.2.3.4")),
        Match(Payload("tcp", "dport"), "==", 80),
    )
    assert refused[-1] == Reject()
    assert searched[0] == Unread("-m string")
    assert [chain.policy for chain in table(seen, "ip", "filter").table.chains if chain.name == "FORWARD"] == ["drop"]
    ((out, inner, *_, masked),) = rules(seen, "ip", "nat")
    assert (out, inner) == (
        Match(Meta("oifname"), "!=", "up0"),
        Match(Payload("ip", "saddr"), "==", IPv4Network("10.0.0.0/8")),
    )
    assert masked == Masquerade()


async def test_our_own_table_comes_back_as_it_was_written(kernel: LinuxKernel) -> None:
    written = host_table((await kernel.facts()).features)
    elements = network_elements(NetworkRules("br-x", masquerade=True))
    replaced = Transaction(FAMILY, NAME, replace=written)
    await kernel.apply(Plan((ChangeRules(replaced), ChangeRules(change(add=elements)))))
    seen = table(scene("", [""]), FAMILY, NAME)
    assert set(seen.elements) == set(elements)
    assert {each.name for each in seen.table.sets} == {each.name for each in written.sets}
    for chain, other in zip(written.chains, seen.table.chains, strict=True):
        assert (chain.name, chain.hook, chain.priority, chain.policy) == (
            other.name,
            other.hook,
            other.priority,
            other.policy,
        )
        for rule, read in zip(chain.rules, other.rules, strict=True):
            # nft leaves out which version a rule is for where the rule's own fields say it.
            assert [each for each in rule.statements if each not in _VERSIONS] == [
                each for each in read.statements if each not in _VERSIONS
            ], rule.comment


_VERSIONS = [Match(Meta("nfproto"), "==", number) for number in (2, 10)]
_VERSIONS += [Match(Meta("l4proto"), "==", number) for number in (1, 58)]


def test_links_routes_rules_and_sockets(netns_directory: Path, container: object) -> None:
    ns = container("one")  # type: ignore[operator]
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "up0", "mtu", "1400", "type", "veth", "peer", "name", "in0", "netns", ns)
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "link", "set", "up0", "up", "master", "br0")
    run("bridge", "link", "set", "dev", "up0", "isolated", "on")
    run("ip", "address", "add", "10.1.1.1/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    run("ip", "route", "add", "blackhole", "10.9.0.0/16", "table", "77")
    run("ip", "rule", "add", "fwmark", "4/12", "from", "10.1.0.0/16", "iif", "br0", "table", "77")
    run("ip", "neighbour", "add", "10.1.1.9", "lladdr", "02:00:00:00:00:09", "dev", "br0")
    (listening,) = open_sockets("", [SocketSpec(1, ("127.0.0.1", 0), backlog=1)])
    with listening:
        seen = scene("", ["", ns])
        listener = next(one for one in seen.listeners if one.port == listening.getsockname()[1])
    assert (listener.protocol, listener.address) == ("tcp", ip_address("127.0.0.1"))
    up0 = seen.links["up0"]
    assert (up0.kind, up0.mtu, up0.master, up0.peer_ns, up0.isolated) == ("veth", 1400, "br0", ns, True)
    assert scene(ns, ["", ns]).links["in0"].peer_ns == ""
    assert scene(ns, []).links["in0"].peer_ns == ELSEWHERE
    assert seen.addresses["br0"][0] == ip_interface("10.1.1.1/24")
    assert [route.kind for route in seen.routes if route.table == 77] == [BLACKHOLE]
    rule = next(rule for rule in seen.rules if rule.table == 77)
    assert (rule.mark, rule.mask, rule.iif, str(rule.source)) == (4, 12, "br0", "10.1.0.0/16")
    entry = next(one for one in seen.neighbours if str(one.address) == "10.1.1.9")
    assert (entry.link, entry.mac, entry.permanent) == ("br0", "02:00:00:00:00:09", True)
    assert seen.parameters["net/ipv4/ip_forward"] in ("0", "1")
