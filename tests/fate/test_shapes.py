"""The interpreter answers exactly or not at all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from fairlead.core.firewall.fate import ESTABLISHED, Host, Packet, Ruleset, UnknownShapeError, follow
from fairlead.core.firewall.sandbox import resolver_table
from fairlead.core.firewall.table import host_table, user_table
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    RETURN,
    Chain,
    Element,
    Jhash,
    Match,
    Meta,
    Payload,
    Rule,
    Set,
    Statement,
    Table,
    Verdict,
    VerdictMap,
)

HOST = Host({"eth0": (IPv4Interface("192.0.2.1/24"),)}, uplink="eth0")
KNOCK = Packet(IPv4Address("192.0.2.9"), IPv4Address("192.0.2.1"), dport=22)


def table(*chains: Chain, sets: tuple[Set, ...] = ()) -> Table:
    return Table("inet", "t", sets, chains)


def base(*rules: tuple[Statement, ...], policy: str = "accept", priority: int = 0, name: str = "input") -> Chain:
    return Chain(name, tuple(Rule(statements) for statements in rules), "filter", "input", priority, policy)


def verdict(*tables: Table) -> str:
    return follow(KNOCK, "eth0", Ruleset(*((one, ()) for one in tables)), HOST).verdict


def test_the_policy_decides_when_nothing_else_does() -> None:
    assert verdict(table(base(policy="drop"))) == "drop"
    assert verdict(table(base((RETURN,), (DROP,)))) == "accept"


def test_a_jump_comes_back_and_a_goto_does_not() -> None:
    inner = Chain("inner", (Rule((RETURN,)),))
    assert verdict(table(inner, base((Verdict("jump", "inner"),), (DROP,)))) == "drop"
    assert verdict(table(inner, base((Verdict("goto", "inner"),), (DROP,)))) == "accept"


def test_accept_ends_one_base_chain_and_drop_ends_all() -> None:
    assert verdict(table(base((ACCEPT,))), table(base((DROP,), priority=10))) == "drop"


def test_chains_are_asked_by_priority() -> None:
    fate = follow(KNOCK, "eth0", Ruleset((table(base((DROP,), priority=5)), ()), (user_table(), ())), HOST)
    assert fate.verdict == "drop"


def test_a_verdict_map_that_misses_goes_on() -> None:
    ports = Set("ports", ("inet_service",), ("verdict",))
    asked = VerdictMap((Payload("th", "dport"),), "ports")
    ruled = table(base((asked,), (ACCEPT,), policy="drop"), sets=(ports,))
    assert follow(KNOCK, "eth0", Ruleset((ruled, [Element("ports", (22,), DROP)])), HOST).verdict == "drop"
    assert follow(KNOCK, "eth0", Ruleset((ruled, [Element("ports", (23,), DROP)])), HOST).verdict == "accept"


def test_the_first_segment_of_a_connection_is_told_from_others() -> None:
    begins = Match(Payload("tcp", "flags"), "&", ("syn",))
    ruled = Ruleset((table(base((begins, ACCEPT), policy="drop")), []))
    assert follow(KNOCK, "eth0", ruled, HOST).verdict == "accept"
    assert follow(replace(KNOCK, protocol=17), "eth0", ruled, HOST).verdict == "drop"


@pytest.mark.parametrize(
    "statement",
    [
        Match(Meta("pkttype"), "==", "host"),
        Match(Jhash((Payload("ip", "saddr"),), 16), "==", 3),
        Match(Payload("tcp", "flags"), "&", ("syn", "fin")),
        Verdict("jump", "missing"),
    ],
)
def test_an_unknown_shape_is_not_guessed_at(statement: Statement) -> None:
    with pytest.raises(UnknownShapeError):
        verdict(table(base((statement,))))


def test_an_element_of_a_set_that_does_not_exist_is_not_ignored() -> None:
    with pytest.raises(UnknownShapeError):
        Ruleset((table(), [Element("nowhere", (1,))]))


def test_the_number_of_rules_depends_on_the_kernel_alone() -> None:
    count = [sum(len(chain.rules) for chain in host_table(features).chains) for features in ({"nft_fib"}, set())]
    assert count[0] < 60
    assert count[1] < 60


@pytest.mark.parametrize(("protocol", "port"), [(17, 40053), (6, 40153)])
def test_a_sandbox_leads_questions_to_its_resolver(protocol: int, port: int) -> None:
    sandbox = Host({"lo": (), "eth0": (IPv4Interface("172.18.0.2/16"),)})
    rules = Ruleset((resolver_table(40053, 40153), ()))
    asked = Packet(IPv4Address("172.18.0.2"), IPv4Address("127.0.0.11"), protocol, dport=53)
    fate = follow(asked, "", rules, sandbox)
    assert (fate.end, str(fate.packet.destination), fate.packet.dport) == ("here", "127.0.0.11", port)
    answered = Packet(IPv4Address("127.0.0.11"), IPv4Address("172.18.0.2"), protocol, port, 40000)
    assert follow(answered, "", rules, sandbox, ESTABLISHED).packet.sport == 53


@pytest.mark.parametrize("protocol", [17, 6, 132])
def test_a_sandbox_leads_nothing_else_astray(protocol: int) -> None:
    sandbox = Host({"lo": (), "eth0": (IPv4Interface("172.18.0.2/16"),)}, uplink="eth0")
    rules = Ruleset((resolver_table(40053, 40153), ()))
    resolver, own, other = (IPv4Address(text) for text in ("127.0.0.11", "172.18.0.2", "172.18.0.3"))
    untouched = [
        (Packet(own, resolver, protocol, dport=80), ""),
        (Packet(resolver, own, protocol, 80, 40000), ""),
        (Packet(own, IPv4Address("127.0.0.1"), protocol, dport=53), ""),
        (Packet(own, other, protocol, dport=53), ""),
        (Packet(other, resolver, protocol, dport=53), "eth0"),
    ]
    for packet, iif in untouched:
        assert follow(packet, iif, rules, sandbox).packet == packet


def test_nobody_tracks_connections_for_a_sandbox_that_asks_names() -> None:
    assert all(chain.kind in ("", "filter") for chain in resolver_table(40053, 40153).chains)
