"""The routing mesh on real wires (`mesh_world`): whoever asks whichever node reaches a task, which sees who asks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from fairlead.model.plan import AddRoute, Plan, SetLink
from tests.scenarios.mesh_world import GATEWAY, INGRESS, NODES, PUBLISHED, TARGET, MeshWorld
from tests.support.answering import Answer, answerers, ask, ask_by_datagram, connect, read_answer
from tests.support.spaces import kernel_of_its_own

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

BRIEFLY = 0.3
Asking = Callable[[str, str, int], Answer]


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[MeshWorld]:
    async with kernel_of_its_own("fairlead-mesh", tmp_path) as (kernel, directory):
        with answerers() as served:
            built = MeshWorld(kernel, directory, served, request.param)
            await built.build()
            yield built


@pytest.mark.parametrize("asking", [ask, ask_by_datagram])
async def test_every_node_leads_to_every_task_which_sees_the_client(world: MeshWorld, asking: Asking) -> None:
    await world.show("one", "two")
    for node in NODES:
        answers = [asking(world.places["client"], world.node(node), PUBLISHED) for _ in range(4)]
        assert {answer.name for answer in answers} == {"one", "two"}
        assert {answer.client for answer in answers} == {world.client}


async def test_a_long_conversation_goes_both_ways_by_the_same_node(world: MeshWorld) -> None:
    await world.show("two")
    with connect(world.places["client"], world.node("a"), PUBLISHED) as held:
        assert read_answer(held).name == "two"
        for _ in range(20):
            held.sendall(b"x" * 4000)
            got = b""
            while len(got) < 4000:
                got += held.recv(8192)


@pytest.mark.parametrize("asking", [ask, ask_by_datagram])
async def test_the_node_itself_and_its_containers_may_ask(world: MeshWorld, asking: Asking) -> None:
    await world.show("one", "two")
    for place in ("a", "lodger", "one"):
        answers = [asking(world.places[place], world.node("a"), PUBLISHED) for _ in range(4)]
        assert {answer.name for answer in answers} == {"one", "two"}, place


async def test_localhost_is_a_node_too(world: MeshWorld) -> None:
    await world.show("two")
    if world.version == 4:
        assert ask(world.places["a"], "127.0.0.1", PUBLISHED).name == "two"


async def test_the_user_may_want_tasks_to_see_the_node(world: MeshWorld) -> None:
    await world.show("two", snat=True)
    answer = ask(world.places["client"], world.node("a"), PUBLISHED)
    assert answer == Answer("two", str(world.on(INGRESS, 1 + NODES["a"])))


async def test_a_port_without_tasks_refuses_at_once(world: MeshWorld) -> None:
    await world.show()
    with pytest.raises(ConnectionRefusedError):
        ask(world.places["client"], world.node("a"), PUBLISHED)


async def test_the_connections_of_a_task_that_is_gone_are_reset(world: MeshWorld) -> None:
    await world.show("two")
    with connect(world.places["client"], world.node("a"), PUBLISHED) as held:
        assert read_answer(held).name == "two"
        await world.kernel.apply(Plan((SetLink("ingr12", up=False),)))
        await world.show("one")
        held.sendall(b"anybody?")
        with pytest.raises(ConnectionResetError):
            held.recv(64)
    assert ask(world.places["client"], world.node("a"), PUBLISHED).name == "one"


async def test_a_task_answers_entrances_alone(world: MeshWorld) -> None:
    await world.show("one", "two")
    for place in ("stranger", "two"):
        with pytest.raises(TimeoutError):
            ask(world.places[place], str(world.on(INGRESS, 11)), TARGET, BRIEFLY)


async def test_a_task_shows_an_entrance_its_ports_alone(world: MeshWorld) -> None:
    world.served.serve("hidden", world.places["one"], TARGET + 1)
    with pytest.raises(TimeoutError):
        ask(world.places["ingress-a"], str(world.on(INGRESS, 11)), TARGET + 1, BRIEFLY)


async def test_a_task_begins_nothing_on_the_ingress_network(world: MeshWorld) -> None:
    world.served.serve("stranger", world.places["stranger"], TARGET)
    with pytest.raises((TimeoutError, PermissionError)):
        ask(world.places["one"], str(world.on(INGRESS, 66)), TARGET, BRIEFLY)


async def test_the_ingress_sandbox_carries_nothing_but_the_mesh(world: MeshWorld) -> None:
    """From the way out to the ingress network: a lodger that takes the sandbox for its gateway."""
    await world.show("one")
    world.served.serve("stranger", world.places["stranger"], TARGET)
    lodger, stranger = world.places["lodger"], world.on(INGRESS, 66)
    way = AddRoute(ip_network(stranger), "eth0", world.on(GATEWAY, 2), lodger, world.version)
    await world.kernel.apply(Plan((way,)))
    with pytest.raises(TimeoutError):
        ask(lodger, str(stranger), TARGET, BRIEFLY)
