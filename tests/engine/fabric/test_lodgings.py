"""When managers are asked for a place on a network, and with what."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from fairlead.engine.fabric.lodgings import Given, Lodgings, as_asked
from fairlead.engine.state import State
from fairlead.model.attachment import Attachment
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import Failed, NotFound
from fairlead.model.network import SWARM
from tests.engine import builders

CONTAINER = builders.container("web", "att")


class Managers:
    """Give the next address of `att`, and remember who asked and who left."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.asked: list[tuple[str, ...]] = []
        self.calls: list[str] = []

    async def lodge(self, container_id: str, network: str, addresses: tuple[str, ...]) -> Given:
        if network != "att":
            raise NotFound(f"network {network} not found")
        self.asked.append(addresses)
        self.calls.append("lodge")
        made = builders.network("att", "10.0.1.0/24", driver="overlay", scope=SWARM)
        self.state.put_network(made)
        return Given(made.id, f"task{len(self.asked)}", (ip_interface(f"10.0.1.{1 + len(self.asked)}/24"),))

    def leave(self, task_id: str) -> None:
        self.calls.append(f"leave {task_id}")

    async def left(self, task_id: str) -> None:
        self.calls.append(f"left {task_id}")


@pytest.fixture
def managers() -> Managers:
    return Managers(State())


@pytest.fixture
def lodgings(managers: Managers) -> Lodgings:
    made = Lodgings(managers.state)
    made.keeper = managers
    return made


async def test_a_place_brings_the_address_and_the_network(lodgings: Lodgings) -> None:
    wish, network = await lodgings.take(CONTAINER, Attachment("att", EndpointSpec(aliases=("www",))))
    assert (wish.network, network.name) == ("att", "att")
    assert wish.spec == EndpointSpec(ipv4="10.0.1.2", aliases=("www",))


async def test_a_restart_asks_for_what_the_user_typed_and_not_for_what_was_given(
    lodgings: Lodgings, managers: Managers
) -> None:
    wish, _ = await lodgings.take(CONTAINER, Attachment("att"))
    lodgings.leave([wish])
    again, _ = await lodgings.take(CONTAINER, wish)
    assert managers.asked == [(), ()]
    assert again.spec.ipv4 == "10.0.1.3"
    assert managers.calls == ["lodge", "leave task1", "left task1", "lodge"]
    assert as_asked(again) == Attachment("att")


async def test_an_address_that_the_user_wants_is_asked_for(lodgings: Lodgings, managers: Managers) -> None:
    await lodgings.take(CONTAINER, Attachment("att", EndpointSpec(ipv4="10.0.1.77")))
    assert managers.asked == [("10.0.1.77",)]


async def test_networks_of_this_host_and_tasks_ask_nobody(lodgings: Lodgings, managers: Managers) -> None:
    managers.state.put_network(builders.network("mine"))
    wish, _ = await lodgings.take(CONTAINER, Attachment("mine"))
    assert wish.lodging is None
    lodgings.leave([wish])
    assert not managers.calls


async def test_a_name_that_nobody_knows_is_refused(lodgings: Lodgings) -> None:
    with pytest.raises(NotFound, match="network nowhere not found"):
        await lodgings.take(CONTAINER, Attachment("nowhere"))


async def test_outside_a_swarm_only_this_host_s_networks_exist() -> None:
    with pytest.raises(NotFound, match="network att not found"):
        await Lodgings(State()).take(CONTAINER, Attachment("att"))


async def test_the_managers_reason_reaches_the_user(lodgings: Lodgings, managers: Managers) -> None:
    async def refuse(container_id: str, network: str, addresses: tuple[str, ...]) -> Given:
        raise Failed("Could not attach to network att: no room")

    managers.lodge = refuse  # type: ignore[method-assign]
    with pytest.raises(Failed, match="no room"):
        await lodgings.take(CONTAINER, Attachment("att"))
