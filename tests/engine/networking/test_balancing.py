"""Virtual addresses reach the sandboxes that need them, whichever comes first: service, sandbox or daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest

from fairlead.core.balance.service import Backend, VirtualService
from tests.effects.kernel.conftest import run
from tests.engine.networking.house import House
from tests.support.answering import Answerers, answerers, ask

VIP, OTHER, PORT = ip_address("10.5.0.100"), ip_address("10.6.0.100"), 8080


@pytest.fixture
async def served(house: House) -> AsyncIterator[Answerers]:
    """Two networks with two backends on the first; `pets` is the one with services."""
    await house.network("pets", "10.5.0.0/24")
    await house.network("toys", "10.6.0.0/24")
    with answerers() as made:
        for name in ("one", "two"):
            await house.run(name, "pets")
            made.serve(name, house.ns(name), PORT)
        yield made


def service(house: House, *names: str) -> VirtualService:
    found = [house.endpoint(name, "pets").ipv4 for name in names]
    return VirtualService(VIP, tuple(Backend(address.ip) for address in found if address))


async def tell(house: House, *names: str) -> None:
    await house.fabric.balancing.services(house.state.network("pets").id, {VIP: service(house, *names)})


def reached(house: House, name: str) -> set[str]:
    return {ask(house.ns(name), str(VIP), PORT).name for _ in range(4)}


def tables(house: House, name: str) -> str:
    return run("nft", "list", "tables", ns=house.ns(name))


async def test_a_service_comes_to_sandboxes_that_are_there(house: House, served: Answerers) -> None:
    await house.run("client", "pets")
    assert "inet" not in tables(house, "client")
    await tell(house, "one", "two")
    assert reached(house, "client") == {"one", "two"}
    await tell(house, "two")
    assert reached(house, "client") == {"two"}


async def test_a_sandbox_comes_to_services_that_are_there(house: House, served: Answerers) -> None:
    await tell(house, "one")
    await house.run("client", "pets")
    assert reached(house, "client") == {"one"}


async def test_a_sandbox_knows_the_services_of_its_networks_alone(house: House, served: Answerers) -> None:
    await tell(house, "one")
    await house.run("client", "toys")
    assert "inet" not in tables(house, "client")
    await house.connect("pets", "client")
    assert reached(house, "client") == {"one"}
    await house.disconnect("pets", "client")
    assert "10.5.0" not in run("nft", "list", "ruleset", ns=house.ns("client"))


async def test_a_service_that_is_removed_leaves_nothing_that_leads_anywhere(house: House, served: Answerers) -> None:
    await house.run("client", "pets")
    await tell(house, "one")
    await house.fabric.balancing.services(house.state.network("pets").id, {VIP: None})
    ruleset = run("nft", "list", "ruleset", ns=house.ns("client"))
    assert str(VIP) not in ruleset


async def test_after_a_restart_the_first_word_is_the_whole_truth(house: House, served: Answerers) -> None:
    await house.run("client", "pets")
    await tell(house, "one")
    await house.restart()
    assert reached(house, "client") == {"one"}
    await tell(house, "two")
    assert reached(house, "client") == {"two"}


async def test_a_sandbox_that_lost_its_table_has_it_again_at_the_next_change(house: House, served: Answerers) -> None:
    await house.run("client", "pets")
    await tell(house, "one")
    run("nft", "delete", "table", "inet", "fairlead", ns=house.ns("client"))
    await tell(house, "one", "two")
    assert reached(house, "client") == {"one", "two"}


async def test_one_backend_of_a_service_moves_no_more_than_its_slots(house: House, served: Answerers) -> None:
    await house.run("client", "pets")
    await tell(house, "one")
    before = _handles(house.ns("client"))
    await tell(house, "one", "two")
    assert _handles(house.ns("client")) == before


def _handles(ns: str) -> list[str]:
    """The rules with their numbers, which are new when a rule is."""
    listed = run("nft", "-a", "list", "table", "inet", "fairlead", ns=ns).splitlines()
    return [line.strip() for line in listed if "# handle" in line and "elements" not in line]
