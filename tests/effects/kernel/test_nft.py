"""Tables, elements and transactions, as `nft` reads them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    RETURN,
    Chain,
    ClampMss,
    Counter,
    Ct,
    Dnat,
    DnatTo,
    Element,
    Fib,
    InSet,
    Interval,
    Jhash,
    MapLookup,
    Masquerade,
    Match,
    Meta,
    Notrack,
    Numgen,
    Payload,
    Redirect,
    Reject,
    Rule,
    Set,
    SetMark,
    SetPayload,
    Snat,
    SnatTo,
    Statement,
    Table,
    Transaction,
    Verdict,
    VerdictMap,
)
from tests.effects.kernel.conftest import nft, run

DADDR, SADDR = Payload("ip", "daddr"), Payload("ip", "saddr")
PROTO, DPORT = Meta("l4proto"), Payload("th", "dport")
A, B = ip_address("10.0.0.1"), ip_address("10.0.0.2")
A6 = ip_address("fd00::1")

SETS = (
    Set("ports", ("ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
    Set("ports6", ("ipv6_addr", "inet_proto", "inet_service"), ("ipv6_addr", "inet_service")),
    Set("ranges", ("inet_proto", "inet_service"), ("ipv4_addr",), frozenset({"interval"})),
    Set("nets", ("ipv4_addr",), flags=frozenset({"interval"})),
    Set("between", ("ifname", "ifname"), ("verdict",)),
    Set("slots", ("ipv4_addr", "mark"), ("ipv4_addr",)),
    Set("sources", ("ipv4_addr",), ("ipv4_addr",)),
    Set("services", ("inet_service",), ("inet_service",)),
    Set("marks", ("ether_addr",), ("mark",)),
    Set("links", ("ifname",)),
)
TABLE = Table("inet", "fairlead", SETS, (Chain("sub", (Rule((Counter(), DROP), "the end"),)),))


def written(statements: tuple[Statement, ...], hook: tuple[str, str, int] = ("filter", "forward", 0)) -> Table:
    kind, name, priority = hook
    rules = (Rule(statements, "why"),)
    return replace(TABLE, chains=(*TABLE.chains, Chain("base", rules, kind, name, priority)))


async def write(kernel: LinuxKernel, table: Table, *elements: Element) -> None:
    await kernel.apply(Plan((ChangeRules(Transaction(table.family, table.name, replace=table, add=elements)),)))


async def change(kernel: LinuxKernel, add: tuple[Element, ...] = (), remove: tuple[Element, ...] = ()) -> None:
    await kernel.apply(Plan((ChangeRules(Transaction("inet", "fairlead", add=add, remove=remove)),)))


def rule_text(family: str = "inet") -> str:
    """The rule of the base chain as `nft` prints it, without its comment."""
    lines = run("nft", "list", "chain", family, "fairlead", "base").splitlines()
    (line,) = [line.strip() for line in lines if line.strip().endswith('comment "why"')]
    return line.removesuffix('comment "why"').strip()


DST, SRC = ("nat", "prerouting", -100), ("nat", "postrouting", 100)
FILTER = ("filter", "forward", 0)
PRINTED: list[tuple[tuple[Statement, ...], tuple[str, str, int], str]] = [
    (
        (Match(Fib(("daddr",), "type"), "==", "local"), Dnat("ip", (DADDR, PROTO, DPORT), "ports")),
        DST,
        "fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @ports",
    ),
    (
        (Dnat("ip6", (Payload("ip6", "daddr"), PROTO, DPORT), "ports6"),),
        DST,
        "dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6",
    ),
    (
        (Match(PROTO, "in", (6, 17)), Dnat("ip", (PROTO, DPORT), "ranges")),
        DST,
        "meta l4proto { tcp, udp } meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ranges",
    ),
    ((DnatTo("ip", A, 80),), DST, "meta nfproto ipv4 dnat ip to 10.0.0.1"),
    ((Match(PROTO, "==", 6), DnatTo("ip", A, 80)), DST, "meta l4proto tcp meta nfproto ipv4 dnat ip to 10.0.0.1:80"),
    (
        (Match(PROTO, "==", 6), DnatTo("ip6", A6, 80)),
        DST,
        "meta l4proto tcp meta nfproto ipv6 dnat ip6 to [fd00::1]:80",
    ),
    ((Match(Payload("tcp", "dport"), "==", 53), Redirect(5353)), DST, "tcp dport 53 redirect to :5353"),
    (
        (Redirect(0, (Payload("tcp", "dport"),), "services"),),
        DST,
        "meta l4proto tcp redirect to :tcp dport map @services",
    ),
    ((Dnat("ip", (DADDR, Numgen("random", 4)), "slots"),), DST, "dnat ip to ip daddr . numgen random mod 4 map @slots"),
    (
        (Dnat("ip", (DADDR, Jhash((SADDR, Payload("th", "sport")), 4, 7)), "slots"),),
        DST,
        "dnat ip to ip daddr . jhash ip saddr . th sport mod 4 seed 0x7 map @slots",
    ),
    (
        (Match(SADDR, "==", ip_network("10.0.0.0/20")), Match(Meta("oifname"), "!=", "br0"), Masquerade()),
        SRC,
        'ip saddr 10.0.0.0/20 oifname != "br0" masquerade',
    ),
    ((Snat("ip", (SADDR,), "sources"),), SRC, "snat ip to ip saddr map @sources"),
    ((SnatTo("ip", A),), SRC, "meta nfproto ipv4 snat ip to 10.0.0.1"),
    ((Match(Ct("state"), "&", ("established", "related")), ACCEPT), FILTER, "ct state established,related accept"),
    (
        (
            Match(Ct("status"), "&", ("dnat",)),
            Match(Ct("original daddr", "ip"), "==", A),
            Match(Ct("direction"), "==", "reply"),
            RETURN,
        ),
        FILTER,
        "ct status dnat ct original ip daddr 10.0.0.1 ct direction reply return",
    ),
    ((VerdictMap((Meta("iifname"), Meta("oifname")), "between"),), FILTER, "iifname . oifname vmap @between"),
    (
        (InSet((Meta("iifname"),), "links", negate=True), Counter(), Verdict("jump", "sub")),
        FILTER,
        "iifname != @links counter packets 0 bytes 0 jump sub",
    ),
    (
        (InSet((DADDR,), "nets"), Match(Payload("tcp", "flags"), "&", ("syn",)), ClampMss()),
        FILTER,
        "ip daddr @nets tcp flags syn tcp option maxseg size set rt mtu",
    ),
    (
        (Match(Payload("icmpv6", "type"), "in", ("nd-neighbor-solicit", "nd-router-advert")), ACCEPT),
        FILTER,
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept",
    ),
    (
        (Match(SADDR, "not in", (ip_network("10.0.0.0/8"), ip_address("1.1.1.1"))), Reject("admin-prohibited")),
        FILTER,
        "ip saddr != { 1.1.1.1, 10.0.0.0/8 } reject with icmpx admin-prohibited",
    ),
    ((Reject("tcp reset"),), FILTER, "meta l4proto tcp reject with tcp reset"),
    ((Match(Meta("iifname"), "==", "br-*"), Reject()), FILTER, 'iifname "br-*" reject'),
    (
        (SetMark(5), SetMark(Meta("mark"), True), SetMark(MapLookup((Payload("ether", "saddr"),), "marks"), True)),
        FILTER,
        "meta mark set 0x00000005 ct mark set meta mark ct mark set ether saddr map @marks",
    ),
    (
        (Match(Meta("pkttype"), "==", "broadcast"), Match(Payload("udp", "dport"), "!=", Interval(1, 5)), ACCEPT),
        FILTER,
        "meta pkttype broadcast udp dport != 1-5 accept",
    ),
    ((Match(Payload("udp", "dport"), "==", Interval(1, 5)), DROP), FILTER, "udp dport 1-5 drop"),
    ((Match(Payload("ip6", "saddr"), "==", ip_network("fd00::/8")), DROP), FILTER, "ip6 saddr fd00::/8 drop"),
    ((Match(Ct("mark"), "==", 7), Notrack()), ("filter", "prerouting", -300), "ct mark 0x00000007 notrack"),
]


@pytest.mark.parametrize(("statements", "hook", "text"), PRINTED, ids=[text for _, _, text in PRINTED])
async def test_nft_prints_what_was_meant(
    kernel: LinuxKernel, statements: tuple[Statement, ...], hook: tuple[str, str, int], text: str
) -> None:
    await write(kernel, written(statements, hook))
    assert rule_text().startswith(text)


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ((Match(Payload("ether", "saddr"), "==", "02:42:ac:11:00:02"), DROP), "ether saddr 02:42:ac:11:00:02 drop"),
        ((Match(SADDR, "==", A), DROP), "ip saddr 10.0.0.1 drop"),
        ((Match(Payload("arp", "saddr ip"), "!=", A), DROP), "arp saddr ip != 10.0.0.1 drop"),
        ((Match(Payload("ether", "type"), "==", "arp"), ACCEPT), "ether type arp accept"),
    ],
)
async def test_the_bridge_family(kernel: LinuxKernel, statements: tuple[Statement, ...], text: str) -> None:
    chain = Chain("base", (Rule(statements, "why"),), "filter", "forward", -200)
    await write(kernel, Table("bridge", "fairlead", chains=(chain,)))
    assert rule_text("bridge") == text


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        (
            (Match(Payload("udp", "dport"), "==", 53), SetPayload(Payload("udp", "dport"), 5353)),
            "udp dport 53 udp dport set 5353",
        ),
        ((SetPayload(Payload("tcp", "sport"), 53),), "tcp sport set 53"),
        ((SetPayload(Payload("ip", "saddr"), A),), "ip saddr set 10.0.0.1"),
        ((SetPayload(Payload("ip6", "daddr"), A6),), "ip6 daddr set fd00::1"),
    ],
)
async def test_header_fields_are_written(kernel: LinuxKernel, statements: tuple[Statement, ...], text: str) -> None:
    chain = Chain("base", (Rule(statements, "why"),), "filter", "ingress", device="lo")
    await write(kernel, Table("netdev", "fairlead", chains=(chain,)))
    assert rule_text("netdev") == text
    assert 'hook ingress device "lo" priority filter' in run("nft", "list", "chain", "netdev", "fairlead", "base")


@pytest.mark.parametrize("field", [("ip", "ttl"), ("th", "dport"), ("icmp", "type")])
async def test_a_field_whose_checksum_is_not_known_is_not_written(kernel: LinuxKernel, field: tuple[str, str]) -> None:
    chain = Chain("base", (Rule((SetPayload(Payload(*field), 7),)),), "filter", "ingress", device="lo")
    with pytest.raises(KernelRefused, match="cannot be written"):
        await write(kernel, Table("netdev", "fairlead", chains=(chain,)))


WEB = Element("ports", (A, 6, 80), (B, 8080), "web1")
ELEMENTS = (
    WEB,
    Element("ports6", (A6, 17, 53), (A6, 5353)),
    Element("ranges", (6, Interval(8000, 8010)), (B,)),
    Element("nets", (ip_network("10.0.0.0/8"),), None, "ours"),
    Element("nets", (ip_address("192.0.2.1"),)),
    Element("nets", (Interval(ip_address("192.0.2.7"), ip_address("192.0.2.9")),)),
    Element("nets", (ip_network("224.0.0.0/3"),)),
    Element("between", ("br0", "br1"), DROP),
    Element("between", ("br1", "br0"), Verdict("jump", "sub")),
    Element("slots", (A, 3), (B,)),
    Element("services", (80,), (8080,)),
    Element("marks", ("02:42:ac:11:00:02",), (77,)),
    Element("links", ("eth0",)),
)


async def test_elements_are_read_back_as_written(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, *ELEMENTS)
    for name in {element.set for element in ELEMENTS}:
        found = await kernel.elements("inet", "fairlead", name)
        assert found is not None
        assert set(found) == {element for element in ELEMENTS if element.set == name}
    text = run("nft", "list", "table", "inet", "fairlead")
    assert '10.0.0.1 . tcp . 80 comment "web1" : 10.0.0.2 . 8080' in text
    assert "10.0.0.1 . 0x00000003 : 10.0.0.2" in text
    assert '10.0.0.0/8 comment "ours", 192.0.2.1,' in text
    assert '"br1" . "br0" : jump sub' in text


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
async def test_an_element_comes_and_goes_twice(kernel: LinuxKernel, element: Element) -> None:
    others = [each for each in ELEMENTS if each is not element]
    await write(kernel, TABLE, *others)
    for _ in range(2):
        await change(kernel, add=(element,))
        assert element in (await kernel.elements("inet", "fairlead", element.set) or ())
    for _ in range(2):
        await change(kernel, remove=(element,))
        assert element not in (await kernel.elements("inet", "fairlead", element.set) or ())
    assert set(await kernel.elements("inet", "fairlead", element.set) or ()) == {
        each for each in others if each.set == element.set
    }


async def test_a_key_moves_within_one_transaction(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, WEB)
    moved = replace(WEB, data=(A, 81), comment="web2")
    await change(kernel, add=(moved,), remove=(WEB,))
    assert await kernel.elements("inet", "fairlead", "ports") == [moved]


async def test_other_data_take_the_place_of_the_old(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, WEB)
    moved = replace(WEB, data=(A, 81))
    await change(kernel, add=(moved,))
    assert await kernel.elements("inet", "fairlead", "ports") == [moved]


async def test_an_overlapping_interval_is_refused(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, Element("nets", (ip_network("10.0.0.0/8"),)))
    with pytest.raises(KernelRefused, match="change elements of nft table inet fairlead"):
        await change(kernel, add=(Element("nets", (ip_network("10.0.0.0/9"),)),))


async def test_a_transaction_is_all_or_nothing(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, Element("nets", (ip_network("10.0.0.0/8"),)))
    with pytest.raises(KernelRefused):
        await change(kernel, add=(WEB, Element("nets", (ip_network("10.0.0.0/9"),))))
    assert await kernel.elements("inet", "fairlead", "ports") == []


async def test_a_table_is_replaced_whole_and_foreign_tables_stay(kernel: LinuxKernel) -> None:
    run("nft", "add table inet theirs; add chain inet theirs c")
    await write(kernel, TABLE, WEB)
    run("nft", "add rule inet fairlead sub accept")
    await write(kernel, TABLE)
    rules = [entry["rule"] for entry in nft("list", "table", "inet", "fairlead") if "rule" in entry]
    assert [(each["chain"], each["comment"]) for each in rules] == [("sub", "the end")]
    assert await kernel.elements("inet", "fairlead", "ports") == []
    assert "theirs" in run("nft", "list", "tables")


async def test_a_table_that_is_refused_leaves_the_old_one(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, WEB)
    bad = written((Verdict("jump", "nowhere"),))
    with pytest.raises(KernelRefused, match=r"write nft table inet fairlead, rule base \(why\): no such file"):
        await write(kernel, bad)
    assert await kernel.elements("inet", "fairlead", "ports") == [WEB]


@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        (Element("ports", (A, 6), (B, 80)), "has not the 3 parts"),
        (Element("ports", (A, 6, 70000), (B, 80)), "70000 is not a value of type inet_service"),
        (Element("ports", (A6, 6, 80), (B, 80)), "not a value of type ipv4_addr"),
        (Element("links", (ip_network("10.0.0.0/8"),)), "is a range"),
        (Element("between", ("a", "b"), (1,)), "not a verdict"),
    ],
)
async def test_what_does_not_fit_is_refused(kernel: LinuxKernel, element: Element, complaint: str) -> None:
    await write(kernel, TABLE)
    with pytest.raises(KernelRefused, match=complaint):
        await change(kernel, add=(element,))


async def test_what_cannot_be_said_is_refused(kernel: LinuxKernel) -> None:
    with pytest.raises(KernelRefused, match="no header field ip colour"):
        await write(kernel, written((Match(Payload("ip", "colour"), "==", 1), DROP)))
    with pytest.raises(KernelRefused, match="the table has no set 'nowhere'"):
        await write(kernel, written((InSet((DADDR,), "nowhere"), DROP)))


async def test_removing_from_nothing_and_adding_to_nothing(kernel: LinuxKernel) -> None:
    await change(kernel, remove=(WEB,))
    with pytest.raises(KernelRefused, match="no such file or directory") as refused:
        await change(kernel, add=(WEB,))
    assert refused.value.missing
    assert await kernel.elements("inet", "fairlead", "ports") is None


async def test_a_table_that_came_back_otherwise_is_seen_as_it_is(kernel: LinuxKernel) -> None:
    """What was known of its sets is forgotten with the first refusal."""
    await write(kernel, TABLE, WEB)
    run("nft", "delete table inet fairlead")
    assert await kernel.elements("inet", "fairlead", "ports") is None
    run("nft", "add table inet fairlead; add set inet fairlead ports { type ipv4_addr; }")
    await change(kernel, add=(Element("ports", (A,)),))
    assert await kernel.elements("inet", "fairlead", "ports") == [Element("ports", (A,))]


async def test_ensured_tables_keep_what_people_wrote(kernel: LinuxKernel) -> None:
    user = Table("inet", "fairlead-user", chains=(Chain("before", (), "filter", "forward", -10),))
    both = Transaction("inet", "fairlead", replace=TABLE, ensure=user)
    await kernel.apply(Plan((ChangeRules(both),)))
    run("nft", "add rule inet fairlead-user before tcp dport 99 drop")
    await kernel.apply(Plan((ChangeRules(both),)))
    assert "tcp dport 99 drop" in run("nft", "list", "table", "inet", "fairlead-user")
    run("nft", "delete table inet fairlead-user")
    await kernel.apply(Plan((ChangeRules(both),)))
    assert "hook forward priority filter - 10" in run("nft", "list", "table", "inet", "fairlead-user")


async def test_destroy_twice(kernel: LinuxKernel) -> None:
    await write(kernel, TABLE, WEB)
    for _ in range(2):
        await kernel.apply(Plan((ChangeRules(Transaction("inet", "fairlead", destroy=True)),)))
        assert "fairlead" not in run("nft", "list", "tables")


async def test_ten_thousand_elements_in_one_transaction(kernel: LinuxKernel) -> None:
    many = tuple(Element("ports", (A, 6, port), (B, port)) for port in range(10_000))
    await write(kernel, TABLE, *many[:5_000])
    await change(kernel, add=many)
    assert len(await kernel.elements("inet", "fairlead", "ports") or ()) == 10_000
    await change(kernel, remove=many[1:])
    assert await kernel.elements("inet", "fairlead", "ports") == [many[0]]
