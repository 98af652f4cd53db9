"""What the host leads to by itself and what is left to the ingress sandbox, over any history of services and legs."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.balance.mesh import port_key
from fairlead.core.balance.mesh_roster import Mesh
from fairlead.core.balance.near import led
from fairlead.core.balance.service import RANDOM, SOURCE, MeshBackend, MeshKey, MeshService, Turnover
from fairlead.model.network import Address
from fairlead.model.plan import FlushFlows
from fairlead.model.ruleset import Data, Key
from tests.core.balance.test_changes import KEYS, Model, apply, check_shares, histories, shown, task, tasks

KEY = MeshKey(8080)
ONE, TWO = MeshBackend(task(2), 80), MeshBackend(task(3), 80)


def leg(address: Address) -> Address:
    return ip_address(int(address) - int(task(0, address.version)) + int(ip_address("172.18.0.0")))


Table = dict[tuple[str, Key], Data]


@settings(max_examples=40, deadline=None)
@given(
    told=histories(shown(), KEYS),
    legs=st.lists(st.frozensets(tasks), min_size=20, max_size=20),
    phase=st.integers(0, 9),
)
def test_both_tables_follow_and_share_the_tasks(told: list[Any], legs: list[frozenset[Address]], phase: int) -> None:
    mesh, model, host, sandbox = Mesh(), Model(), Table(), Table()
    for news, here in zip(told, legs, strict=False):
        change = mesh.change(news, {address: leg(address) for address in here}, phase)
        model.follow(news)
        apply(sandbox, change.sandbox.transaction(phase))
        assert sandbox == {(one.set, one.key): one.data for one in mesh.elements(phase)}
        if change.host is None:
            host = {(one.set, one.key): one.data for one in mesh.host_elements(phase)}
        else:
            apply(host, change.host)
            assert host == {(one.set, one.key): one.data for one in mesh.host_elements(phase)}
        for key in model.services:
            for version in (4, 6):
                check_parts(model, key, version, here, host, sandbox)


def check_parts(
    model: Model, key: MeshKey, version: int, here: frozenset[Address], host: Table, sandbox: Table
) -> None:
    service, weights = model.services[key], model.shares(key, version)
    led_by_host = {} if service.snat else {target: weight for target, weight in weights.items() if target[0] in here}
    parted = not service.snat and service.algorithm != SOURCE
    left = {target: weight for target, weight in weights.items() if not (parted and target in led_by_host)}
    check_shares(held(sandbox, key, version), left)
    slots = held(host, key, version)
    assert slots.keys() == {(leg(address), port) for address, port in led_by_host}
    total = len(held(sandbox, key, version)) if not parted else 0
    assert total == 0 or sum(slots.values()) <= sum(held(sandbox, key, version).values())


def held(table: Table, key: MeshKey, version: int) -> Counter[Any]:
    here = port_key(key)
    return Counter(data for (name, at), data in table.items() if name == f"slots{version}" and at[:-1] == here)


def service(*backends: MeshBackend, algorithm: str = "round-robin") -> MeshService:
    return MeshService(KEY, backends, algorithm)


def test_half_of_all_turns_are_the_hosts_where_half_of_the_tasks_are() -> None:
    mesh = Mesh()
    mesh.change({KEY: service(ONE, TWO)}, {task(2): leg(task(2))})
    slots = [one for one in mesh.host_elements() if one.set == "slots4"]
    assert {one.data for one in slots} == {(leg(task(2)), 80)}
    assert len(slots) in (30, 31)
    assert {one.data for one in mesh.elements() if one.set == "slots4"} == {(task(3), 80)}


def test_by_source_the_host_holds_the_slots_that_every_node_has() -> None:
    here, elsewhere = Mesh(), Mesh()
    legs = {task(2): leg(task(2))}
    for mesh, known in ((here, legs), (elsewhere, {})):
        mesh.change({KEY: service(ONE, TWO, algorithm=SOURCE)}, known)
    assert list(here.elements()) == list(elsewhere.elements())
    assert list(here.host_elements()) == list(led(elsewhere.elements(), legs))


def test_a_task_on_its_way_out_keeps_its_connections_and_one_that_is_gone_loses_them() -> None:
    mesh, legs = Mesh(), {task(2): leg(task(2))}
    mesh.change({KEY: service(ONE, TWO, algorithm=RANDOM)}, legs)
    assert not mesh.change({KEY: Turnover({task(2): MeshBackend(task(2), 80, 0)})}, legs).flows
    assert {one.set for one in mesh.host_elements()} == {"ways4"}
    flushed = FlushFlows(leg(task(2)), 80, "tcp", reply=True)
    assert mesh.change({KEY: Turnover({task(2): None})}).flows == (flushed,)


def test_a_task_that_loses_its_leg_is_the_ingress_sandboxs_again() -> None:
    mesh = Mesh()
    mesh.change({KEY: service(ONE)}, {task(2): leg(task(2))})
    assert not [one for one in mesh.elements() if one.set == "slots4"]
    change = mesh.change({}, {})
    assert change.host is None
    assert change.flows
    assert {one.data for one in mesh.elements() if one.set == "slots4"} == {(task(2), 80)}
    assert not mesh.change({}, {})


def test_a_port_of_one_address_and_one_that_shows_the_node_are_not_led_by_the_host() -> None:
    mesh, legs = Mesh(), {task(2): leg(task(2))}
    bound = MeshKey(8081, host_ip="192.0.2.1")
    mesh.change({KEY: MeshService(KEY, (ONE,), snat=True), bound: MeshService(bound, (ONE,))}, legs)
    assert not list(mesh.host_elements())
    assert len({one.key[:2] for one in mesh.elements() if one.set == "slots4"}) == 2
