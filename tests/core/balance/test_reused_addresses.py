"""Addresses pass from tasks to services and back; a table never holds one of them twice."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.balance.service import Backend, VirtualService
from fairlead.core.balance.virtual import LOST, UNSERVED, Services
from fairlead.model.network import Address
from fairlead.model.ruleset import Element, Key

ADDRESSES = [ip_address(f"10.0.1.{number}") for number in range(2, 7)]
told = st.dictionaries(
    st.sampled_from(ADDRESSES), st.one_of(st.none(), st.sets(st.sampled_from(ADDRESSES), max_size=3)), max_size=3
)


def service(vip: Address, backends: set[Address]) -> VirtualService:
    return VirtualService(vip, tuple(Backend(address) for address in sorted(backends, key=str)))


def held(elements: list[Element]) -> dict[tuple[str, Key], Element]:
    """By set and key. Fails when the kernel would refuse them."""
    keys = Counter((element.set, element.key) for element in elements)
    assert set(keys.values()) <= {1}, [key for key, times in keys.items() if times > 1]
    return {(element.set, element.key): element for element in elements}


def test_the_address_of_a_task_that_is_gone_may_become_a_services() -> None:
    services, (vip, task, *_) = Services(), ADDRESSES
    services.change({vip: service(vip, {task})})
    services.change({vip: service(vip, set())})
    assert held(list(services.elements()))["refused4", (task,)].data == LOST
    services.change({task: service(task, set())})
    assert held(list(services.elements()))["refused4", (task,)].data == UNSERVED
    services.change({task: None})
    assert ("refused4", (task,)) not in held(list(services.elements()))


def test_a_task_may_be_found_gone_after_its_address_became_a_services() -> None:
    services, (vip, task, *_) = Services(), ADDRESSES
    services.change({vip: service(vip, {task})})
    services.change({task: service(task, set())})
    services.change({vip: service(vip, set())})
    assert held(list(services.elements()))["refused4", (task,)].data == UNSERVED


@given(st.lists(told, max_size=8))
def test_whatever_happens_changes_add_up_to_what_is(history: list[dict[Address, set[Address] | None]]) -> None:
    services = Services()
    table: dict[tuple[str, Key], Element] = {}
    for news in history:
        change = services.change({vip: None if to is None else service(vip, to) for vip, to in news.items()})
        transaction = change.transaction(0)
        for element in transaction.remove:
            del table[element.set, element.key]
        for element in transaction.add:
            assert (element.set, element.key) not in table
            table[element.set, element.key] = element
        assert table == held(list(services.elements()))
