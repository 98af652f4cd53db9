"""What IPVS is told for virtual addresses: by examples, and that a sandbox changed step by step is one written anew."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.balance.servers import SERVED, Servers, mark_of, scheduler, whole
from fairlead.core.balance.service import (
    ALGORITHMS,
    LEAST,
    RANDOM,
    ROUND_ROBIN,
    SOURCE,
    Backend,
    Turnover,
    VirtualService,
    algorithm,
)
from fairlead.model.errors import Invalid
from fairlead.model.network import Address
from fairlead.model.plan import (
    ChangeRules,
    DelRealServer,
    DelVirtualServer,
    Operation,
    PutRealServer,
    PutVirtualServer,
    SettleVirtualServers,
)
from fairlead.model.ruleset import Element, Transaction
from fairlead.model.servers import ServerKey, VirtualServer

VIP, OTHER, VIP6 = (ip_address(text) for text in ("10.0.1.100", "10.0.1.101", "fd00:1::100"))
ONE, TWO, THREE = (ip_address(f"10.0.1.{number}") for number in (11, 12, 13))
KEY = ServerKey(mark_of(VIP), 4)
MARK = Element("marks4", (VIP,), (KEY.mark,))
RULES = Transaction("inet", "fairlead")
ALL = frozenset(("ip_vs", "ip_vs_mh", "ip_vs_twos"))


def servers(features: frozenset[str] = ALL) -> Servers:
    return Servers(features, set())


def serving(*addresses: Address, leaving: Iterable[Address] = (), way: str = ROUND_ROBIN) -> VirtualService:
    return VirtualService(VIP, tuple(map(Backend, addresses)), frozenset(leaving), way)


@pytest.mark.parametrize(
    ("way", "weighted", "features", "name"),
    [
        (ROUND_ROBIN, False, ALL, "rr"),
        (ROUND_ROBIN, True, ALL, "wrr"),
        (SOURCE, False, ALL, "mh"),
        (SOURCE, False, frozenset(("ip_vs",)), "sh"),
        (LEAST, True, ALL, "twos"),
        (LEAST, False, frozenset(("ip_vs",)), "wlc"),
        (RANDOM, False, ALL, ""),
    ],
)
def test_each_algorithm_has_a_scheduler_or_goes_the_tables_way(
    way: str, weighted: bool, features: frozenset[str], name: str
) -> None:
    assert scheduler(way, weighted, features) == name


def test_servers_come_before_the_mark_and_go_after_it() -> None:
    held = servers()
    come = held.change({VIP: serving(ONE, TWO)}).plan(RULES, "ns", phase=1)
    assert come.operations == (
        PutVirtualServer(KEY, "rr", "ns"),
        PutRealServer(KEY, TWO, 1, "ns"),
        PutRealServer(KEY, ONE, 1, "ns"),
        ChangeRules(Transaction("inet", "fairlead", add=(MARK,)), "ns"),
    )
    go = held.change({VIP: None}).plan(RULES, "ns")
    assert go.operations == (
        ChangeRules(Transaction("inet", "fairlead", remove=(MARK,)), "ns"),
        DelVirtualServer(KEY, "ns"),
    )


def test_a_turnover_touches_its_own_tasks_only() -> None:
    held = servers()
    held.change({VIP: serving(*(ip_address(f"10.0.2.{number}") for number in range(1, 250)), ONE, TWO)})
    turnover = Turnover({ONE: None, TWO: Backend(TWO, 0), THREE: Backend(THREE)})
    assert held.change({VIP: turnover}).plan(RULES, "ns").operations == (
        PutRealServer(KEY, THREE, 1, "ns"),
        PutRealServer(KEY, TWO, 0, "ns"),
        DelRealServer(KEY, ONE, "ns"),
    )


def test_while_all_are_leaving_nothing_new_is_led_there_and_what_is_there_stays() -> None:
    held = servers()
    held.change({VIP: serving(ONE)})
    change = held.change({VIP: serving(leaving=(ONE,))})
    assert (change.remove, change.before, change.after) == ((MARK,), (PutRealServer(KEY, ONE, 0),), ())
    assert [server.real for server in held.held()] == [{ONE: 0}]
    assert held.change({VIP: serving()}).after == (DelVirtualServer(KEY),)


def test_backends_of_the_other_family_are_nobody() -> None:
    held = servers()
    held.change({VIP6: VirtualService(VIP6, (Backend(ONE), Backend(ip_address("fd00:1::11"))))})
    assert [server.real for server in held.held()] == [{ip_address("fd00:1::11"): 1}]


def test_of_two_addresses_with_one_mark_the_second_goes_the_tables_way() -> None:
    taken: set[ServerKey] = set()
    near, far = Servers(ALL, taken), Servers(ALL, taken)
    twin = ip_address("42.0.1.100")
    assert mark_of(twin) == mark_of(VIP)
    near.change({VIP: serving(ONE)})
    assert not far.change({twin: VirtualService(twin, (Backend(TWO),))})
    near.close()
    assert far.change({twin: VirtualService(twin, (Backend(TWO),))})


def test_marks_do_not_meet_those_of_the_mesh() -> None:
    for vip in (VIP, OTHER, VIP6, ip_address("255.255.255.255")):
        assert mark_of(vip) & ~(SERVED | (SERVED - 1)) == 0
        assert mark_of(vip) & SERVED


def test_least_is_refused_where_nothing_counts_connections() -> None:
    with pytest.raises(Invalid, match='it needs IPVS, which counts connections; start the daemons with "fairlead-bal'):
        algorithm("least")
    assert algorithm("least", "ipvs") == LEAST


# --- step by step, or at once ---------------------------------------------------------------------

TASKS = [ip_address(f"10.0.1.{number}") for number in range(2, 8)] + [ip_address(f"fd00:1::{n}") for n in range(2, 5)]
backends = st.builds(Backend, st.sampled_from(TASKS), st.integers(0, 2))
turnovers = st.dictionaries(st.sampled_from(TASKS), st.integers(-1, 2), min_size=1).map(
    lambda tasks: Turnover({task: None if weight < 0 else Backend(task, weight) for task, weight in tasks.items()})
)


@st.composite
def told(draw: st.DrawFn) -> tuple[Address, VirtualService | Turnover[Backend] | None]:
    vip = draw(st.sampled_from((VIP, OTHER, VIP6)))
    known = draw(st.lists(backends, unique_by=lambda one: one.address))
    leaving = draw(st.frozensets(st.sampled_from(TASKS), max_size=2)) - {one.address for one in known}
    service = VirtualService(vip, tuple(known), leaving, draw(st.sampled_from((*ALGORITHMS, LEAST))))
    return vip, draw(st.sampled_from([service, service, draw(turnovers), None]))


class Kernel:
    """What a sandbox holds, by the meaning of the operations. Raises KeyError for what the kernel would refuse."""

    def __init__(self) -> None:
        self.held: dict[ServerKey, tuple[str, dict[Address, int]]] = {}
        self.marks: set[Element] = set()

    def do(self, operation: Operation) -> None:
        match operation:
            case PutVirtualServer(key, name):
                self.held[key] = (name, self.held[key][1] if key in self.held else {})
            case DelVirtualServer(key):
                del self.held[key]
            case PutRealServer(key, address, weight):
                self.held[key][1][address] = weight
            case DelRealServer(key, address):
                del self.held[key][1][address]
            case ChangeRules(rules):
                assert self.marks >= set(rules.remove)
                assert not self.marks & set(rules.add)
                self.marks = (self.marks - set(rules.remove)) | set(rules.add)
        led = {int(str(element.data[0])) for element in self.marks if isinstance(element.data, tuple)}
        assert led <= {key.mark for key in self.held}, "what is marked is led to nobody"


@given(st.lists(told(), max_size=12))
def test_step_by_step_is_as_at_once(steps: list[tuple[Address, VirtualService | Turnover[Backend] | None]]) -> None:
    held, kernel = servers(), Kernel()
    for vip, news in steps:
        for operation in held.change({vip: news}).plan(RULES, "ns").operations:
            kernel.do(operation)
    *_, settled, rules = whole([held], RULES, "ns").operations
    assert isinstance(settled, SettleVirtualServers)
    assert isinstance(rules, ChangeRules)
    now = [VirtualServer(key, name, real) for key, (name, real) in kernel.held.items()]
    assert sorted(now, key=lambda each: each.key) == sorted(settled.servers, key=lambda each: each.key)
    assert kernel.marks == set(rules.transaction.add)
