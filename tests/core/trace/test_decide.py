"""Traces over scenes that are written down: what each says, without a kernel.

    web eth0 172.18.0.2 ---- veth1 \\
                                    br0 172.18.0.1 (host) eth0 192.168.7.1
    db  eth0 172.18.0.3 ---- veth2 /
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from fairlead.core.balance.virtual import sandbox_table
from fairlead.core.trace.decide import decide
from fairlead.core.trace.stopping import Unseen
from fairlead.core.trace.trial import compare
from fairlead.core.trace.walk import LED_BY_IPVS
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    Chain,
    Counter,
    Ct,
    Element,
    LimitOver,
    Match,
    Meta,
    Payload,
    Rt,
    Rule,
    Table,
    Unread,
)
from fairlead.model.scene import (
    ELSEWHERE,
    LOCAL,
    PROHIBIT,
    Listener,
    LoadedTable,
    Scene,
    SceneLink,
    SceneNeighbour,
    SceneRoute,
    SceneRule,
    Station,
)
from fairlead.model.trace import (
    ANSWERED,
    DROPPED,
    REACHES,
    REFUSED,
    SILENT,
    UNSURE,
    Known,
    KnownEndpoint,
    KnownNetwork,
    KnownNode,
    Question,
    Trace,
)

WEB, DB, GATEWAY = map(ip_address, ("172.18.0.2", "172.18.0.3", "172.18.0.1"))
RULES = tuple(SceneRule(4, priority, table) for priority, table in ((0, 255), (32766, 254)))
LO = SceneLink("lo", 1, mtu=65536)
ANYBODY = ip_address("0.0.0.0")


def route(destination: str | None, link: str, via: str | None = None, **more: Any) -> SceneRoute:
    subnet = ip_network(destination) if destination else None
    return SceneRoute(4, subnet, link, ip_address(via) if via else None, **more)


def sandbox(ns: str, address: str, peer: int, **changes: Any) -> Scene:
    scene = Scene(
        ns=ns,
        links={"lo": LO, "eth0": SceneLink("eth0", 2, "veth", f"02:00:00:00:00:0{peer}", peer=peer)},
        addresses={"eth0": (ip_interface(f"{address}/16"),)},
        routes=(route("172.18.0.0/16", "eth0"), route(None, "eth0", "172.18.0.1")),
        rules=RULES,
        listeners=(Listener("tcp", ANYBODY, 80),),
    )
    return replace(scene, **changes)


def host(**changes: Any) -> Scene:
    ports = {
        f"veth{number}": SceneLink(f"veth{number}", number + 10, "veth", master="br0", peer=2, peer_ns=ns)
        for number, ns in ((1, "web"), (2, "db"))
    }
    scene = Scene(
        ns="",
        links={
            "lo": LO,
            "br0": SceneLink("br0", 5, "bridge", "02:00:00:00:00:99"),
            "eth0": SceneLink("eth0", 6, "veth", peer=7, peer_ns=ELSEWHERE, mtu=1400),
            **ports,
        },
        addresses={"br0": (ip_interface("172.18.0.1/16"),), "eth0": (ip_interface("192.168.7.1/24"),)},
        routes=(route("172.18.0.0/16", "br0"), route("192.168.7.0/24", "eth0"), route(None, "eth0", "192.168.7.2")),
        rules=RULES,
        parameters={"net/ipv4/ip_forward": "1"},
    )
    return replace(scene, **changes)


def known(**changes: Any) -> Known:
    endpoints = tuple(
        KnownEndpoint(name, "pets", (address,), name, "eth0", f"veth{number}")
        for number, (name, address) in enumerate((("web", WEB), ("db", DB)), start=1)
    )
    network = KnownNetwork("pets", "bridge", "br0")
    return replace(Known({"web": "web", "db": "db"}, endpoints, (network,)), **changes)


SCENES = {"": host(), "web": sandbox("web", "172.18.0.2", 11), "db": sandbox("db", "172.18.0.3", 12)}


def trace(
    destination: str = "172.18.0.3", port: int = 80, scenes: dict[str, Scene] | None = None, **more: Any
) -> Trace:
    beliefs = more.pop("known", known())
    asked = Question("web", destination, "web", ip_address(destination), "tcp" if port else "icmp", port, **more)
    return decide(asked, scenes or SCENES, beliefs)


def ruled(*rules: tuple[Any, ...], policy: str = "accept", hook: str = "forward") -> LoadedTable:
    listed = tuple(Rule(statements, f"rule {number}") for number, statements in enumerate(rules, start=1))
    return LoadedTable(Table("inet", "other", chains=(Chain("c", listed, "filter", hook, 0, policy),)))


def with_host(**changes: Any) -> dict[str, Scene]:
    return {**SCENES, "": host(**changes)}


def test_containers_of_a_network_reach_each_other() -> None:
    assert trace().verdict == REACHES
    assert trace(port=0).verdict == REACHES
    assert [hop.place for hop in trace().hops] == ["web", "host", "db"]


def test_namespaces_are_asked_for_one_after_the_other() -> None:
    for seen, wanted in (((), "web"), (("web",), "db"), (("web", "db"), "")):
        with pytest.raises(Unseen) as asked:
            trace(scenes={"nowhere": SCENES[""], **{ns: SCENES[ns] for ns in seen}})
        assert asked.value.ns in (wanted, "")


def test_nothing_listens_or_only_on_another_address() -> None:
    silent = {**SCENES, "db": sandbox("db", "172.18.0.3", 12, listeners=())}
    assert "nothing listens there" in trace(scenes=silent).told
    inner = Listener("tcp", ip_address("127.0.0.1"), 80)
    narrow = trace(scenes={**SCENES, "db": sandbox("db", "172.18.0.3", 12, listeners=(inner,))})
    assert narrow.verdict == DROPPED
    assert "only on 127.0.0.1" in narrow.told
    assert narrow.remedy == "let the server in db listen on 0.0.0.0"


def test_isolated_ports_say_nothing_to_each_other() -> None:
    links = {name: replace(link, isolated=bool(link.master)) for name, link in SCENES[""].links.items()}
    apart = trace(scenes=with_host(links=links))
    assert (apart.verdict, apart.at) == (DROPPED, 2)
    assert "both ports are isolated" in apart.told


def test_an_address_that_the_kernel_does_not_show_is_the_finding() -> None:
    moved = {**SCENES, "db": sandbox("db", "172.18.0.99", 12)}
    assert "eth0 does not have 172.18.0.3, which db was given" in trace(scenes=moved).told
    links = {name: link for name, link in SCENES[""].links.items() if name != "veth2"}
    cut = trace(scenes=with_host(links=links))
    assert "veth2, which should lead to db, is no port of br0" in cut.told
    assert cut.remedy == "docker restart db"
    assert "nobody on br0 has 172.18.0.77" in trace("172.18.0.77").told


def test_a_permanent_neighbour_that_leads_astray() -> None:
    entry = SceneNeighbour("eth0", DB, "02:00:00:00:00:77", permanent=True)
    wrong = {**SCENES, "web": sandbox("web", "172.18.0.2", 11, neighbours=(entry,))}
    assert trace(scenes=wrong).remedy == "ip neighbour del 172.18.0.3 dev eth0"
    learnt = {**SCENES, "web": sandbox("web", "172.18.0.2", 11, neighbours=(replace(entry, permanent=False),))}
    assert trace(scenes=learnt).verdict == REACHES


def test_what_leaves_the_host_is_out_of_sight() -> None:
    away = trace("198.51.100.7")
    assert away.verdict == UNSURE
    assert "leaves this host by eth0 towards 192.168.7.2" in away.told


def test_routes_rules_and_switches_of_the_host() -> None:
    told = "does not pass packets on"
    assert told in trace("198.51.100.7", scenes=with_host(parameters={})).told
    routes = (*SCENES[""].routes, route("198.51.100.0/24", "", kind=PROHIBIT))
    assert "says prohibit" in trace("198.51.100.7", scenes=with_host(routes=routes)).told
    rules = (SceneRule(4, 100, 77, iif="br0", destination=ip_network("198.51.100.0/24")), *RULES)
    aside = (*SCENES[""].routes, route(None, "eth0", "192.168.7.9", table=77))
    assert "towards 192.168.7.9" in trace("198.51.100.7", scenes=with_host(rules=rules, routes=aside)).told
    strict = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/rp_filter": "1"}
    back = (*SCENES[""].routes, route("172.18.0.2/32", "eth0"))
    assert "reverse path filter" in trace("198.51.100.7", scenes=with_host(parameters=strict, routes=back)).told


def test_local_routes_are_addresses_too() -> None:
    routes = (*SCENES[""].routes, route("10.9.0.0/16", "lo", kind=LOCAL, table=255))
    listeners = (Listener("tcp", ip_address("::"), 80, both=True),)
    assert trace("10.9.1.2", scenes=with_host(routes=routes, listeners=listeners)).verdict == REACHES


def test_others_rules_decide_and_are_named() -> None:
    seen = trace("198.51.100.7", scenes=with_host(tables=(ruled((Match(Payload("tcp", "dport"), "==", 80), DROP)),)))
    assert (seen.verdict, seen.hops[-1].where) == (DROPPED, "table inet other, chain c: rule 1")
    closed = trace("198.51.100.7", scenes=with_host(tables=(ruled(policy="drop"),)))
    assert "chain c: policy" in closed.told
    assert closed.remedy == "nft insert rule inet other c accept"
    own = LoadedTable(replace(ruled((DROP,)).table, name="fairlead-user"))
    assert "your own rule" in trace("198.51.100.7", scenes=with_host(tables=(own,))).remedy


def test_the_answer_has_to_come_back() -> None:
    known_only = ruled((Match(Ct("state"), "&", ("established",)), DROP), hook="output")
    deaf = trace(scenes={**SCENES, "db": sandbox("db", "172.18.0.3", 12, tables=(known_only,))})
    assert deaf.verdict == DROPPED
    assert "the answer: output: dropped" in deaf.told


UNREADABLE = (Unread("-m geoip"), DROP)


@pytest.mark.parametrize(
    ("rules", "policy", "verdict"),
    [
        ([UNREADABLE], "accept", UNSURE),
        ([UNREADABLE, (DROP,)], "accept", DROPPED),
        ([(ACCEPT,), UNREADABLE], "drop", REACHES),
        ([(Unread("-m geoip"), ACCEPT)], "accept", REACHES),
        ([(Unread("-m geoip"), ACCEPT)], "drop", UNSURE),
        ([(LimitOver(5), DROP)], "accept", UNSURE),
        ([(Match(Meta("skuid"), "==", 7), Match(Payload("tcp", "dport"), "==", 81), DROP)], "accept", REACHES),
        ([(Unread("-j TPROXY", decides=True),)], "accept", UNSURE),
        ([(Match(Payload("tcp", "dport"), "==", 81), Unread("-j TPROXY", decides=True))], "accept", REACHES),
    ],
)
def test_what_cannot_be_read_is_told_only_where_it_matters(
    rules: list[tuple[Any, ...]], policy: str, verdict: str
) -> None:
    scenes = {**SCENES, "db": sandbox("db", "172.18.0.3", 12, tables=(ruled(*rules, policy=policy, hook="input"),))}
    assert trace(scenes=scenes).verdict == verdict


FAR, NODE, MAC = ip_address("10.0.1.12"), ip_address("192.168.7.12"), "02:42:0a:00:01:0c"


def overlay(entry: bool = True, **changes: Any) -> dict[str, Scene]:
    """web has a leg on an overlay, whose other endpoint is on another node."""
    web = SCENES["web"]
    links = {**web.links, "eth1": SceneLink("eth1", 3, "veth", "02:42:0a:00:01:0b", peer=4, peer_ns="home")}
    routes = (*web.routes, route("10.0.1.0/24", "eth1"))
    held = {**web.addresses, "eth1": (ip_interface("10.0.1.11/24"),)}
    home = Scene(
        ns="home",
        links={
            "br0": SceneLink("br0", 2, "bridge"),
            "vxlan0": SceneLink("vxlan0", 3, "vxlan", master="br0", mtu=1350, vni=4097),
            "veth9": SceneLink("veth9", 4, "veth", master="br0", peer=3, peer_ns="web"),
        },
        neighbours=(SceneNeighbour("vxlan0", FAR, MAC, permanent=True),),
        stations=(Station("vxlan0", MAC, NODE),) if entry else (),
    )
    return {
        **SCENES,
        "": host(**changes),
        "web": replace(web, links=links, routes=routes, addresses=held),
        "home": home,
    }


def far(encrypted: bool = False, **changes: Any) -> Known:
    there = KnownEndpoint("b", "att", (FAR,), home="home", node="node2", vtep=NODE)
    network = KnownNetwork("att", "overlay", "", "home", encrypted=encrypted)
    before = known()
    endpoints = (*before.endpoints, replace(there, **changes))
    return replace(before, endpoints=endpoints, networks=(*before.networks, network))


def test_another_node_is_followed_to_the_last_link_of_this_host() -> None:
    heard = trace("10.0.1.12", scenes=overlay(), known=far())
    assert heard.verdict == UNSURE
    assert "node 192.168.7.12 is heard" in heard.told
    assert any("192.168.7.12:4789" in hop.told for hop in heard.hops)
    silent = trace("10.0.1.12", scenes=overlay(), known=far(silent=True))
    assert "has not been heard of" in silent.told
    lost = trace("10.0.1.12", scenes=overlay(entry=False), known=far())
    assert (lost.verdict, "there is no node (b on another node)" in lost.told) == (DROPPED, True)
    moved = trace("10.0.1.12", scenes=overlay(), known=far(vtep=ip_address("192.168.7.13")))
    assert any("was last said to be behind 192.168.7.13" in hop.told for hop in moved.hops)


def test_what_is_to_be_sealed_does_not_leave_in_clear() -> None:
    down = trace("10.0.1.12", scenes=overlay(), known=far(encrypted=True))
    assert (down.verdict, down.hops[-1].where) == (DROPPED, "ip xfrm state")
    up = replace(far(encrypted=True), nodes=(KnownNode(NODE, "established"),))
    sealed = (Match(Payload("vxlan", "vni"), "==", 4097), Match(Rt("ipsec"), "==", 0), DROP)
    tables = (ruled(sealed, hook="postrouting"),)
    assert trace("10.0.1.12", scenes=overlay(tables=tables), known=up).verdict == UNSURE
    clear = trace("10.0.1.12", scenes=overlay(tables=tables), known=far())
    assert "the tunnel: postrouting: dropped" in clear.told


def test_ipvs_is_left_to_ipvs() -> None:
    table = sandbox_table(served=1)
    assert LED_BY_IPVS in {rule.comment for chain in table.chains for rule in chain.rules}
    marked = LoadedTable(table, (Element("marks4", (DB,), (7,)),))
    scenes = {**SCENES, "web": sandbox("web", "172.18.0.2", 11, tables=(marked,))}
    assert trace(scenes=scenes).verdict == UNSURE
    assert "IPVS leads 172.18.0.3" in trace(scenes=scenes).told


def test_a_resolver_that_is_out_of_reach_is_told() -> None:
    assert "nothing answers at 127.0.0.11:53" in trace(resolver=True).told
    listeners = (Listener("udp", ip_address("127.0.0.11"), 53),)
    heard = {**SCENES, "web": sandbox("web", "172.18.0.2", 11, listeners=listeners)}
    assert trace(resolver=True, scenes=heard).verdict == REACHES


def test_more_doubts_than_can_be_followed_are_no_certainty() -> None:
    rules = [(Unread(f"-m odd{number}"), Match(Payload("tcp", "dport"), "==", 80), ACCEPT) for number in range(70)]
    doubtful = ruled(*rules, (Unread("-m last"), DROP), hook="input")
    scenes = {**SCENES, "db": sandbox("db", "172.18.0.3", 12, tables=(doubtful,))}
    assert trace(scenes=scenes).verdict == UNSURE
    many = tuple(ruled((Unread("-m odd"), Counter(), ACCEPT), hook="input") for _ in range(9))
    assert trace(scenes={**SCENES, "db": sandbox("db", "172.18.0.3", 12, tables=many)}).verdict == UNSURE


def test_what_was_not_looked_at_makes_the_answer_unsure() -> None:
    blind = trace(scenes={**SCENES, "db": sandbox("db", "172.18.0.3", 12, blind=("rules (nft is not installed)",))})
    assert blind.verdict == UNSURE
    assert "nft is not installed" in blind.told


def test_what_is_missing_is_said_although_it_stood_in_nobodys_way() -> None:
    found = trace(known=known(missing=("element 6 . 8080 of any4",)))
    assert found.verdict == REACHES
    assert "element 6 . 8080 of any4" in found.hops[-1].told


@pytest.mark.parametrize(
    ("outcome", "verdict", "agrees"), [(ANSWERED, REACHES, True), (REFUSED, REACHES, False), (SILENT, REACHES, False)]
)
def test_a_trial_says_whether_it_was_foretold(outcome: str, verdict: str, agrees: bool) -> None:
    question = Question("web", "db:80/tcp", "web", DB, "tcp", 80)
    tried = compare(trace(), outcome, question)
    assert (tried.verdict, tried.agrees) == (verdict, agrees)


def test_a_trial_decides_where_nothing_was_foretold() -> None:
    question = Question("web", "x", "web", ip_address("198.51.100.7"), "tcp", 80)
    assert compare(trace("198.51.100.7"), ANSWERED, question).verdict == REACHES
    assert compare(trace("198.51.100.7"), SILENT, question).verdict == DROPPED
    assert compare(trace("198.51.100.7"), SILENT, replace(question, protocol="udp")).verdict == UNSURE
