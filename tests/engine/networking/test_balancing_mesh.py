"""The routing mesh between engines: two hosts on a switch, a task on one of them, clients everywhere.

Discovery is played by the test, overlays and everything else are real.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from fairlead.core.balance.service import Entrance, MeshBackend, MeshKey, MeshService
from fairlead.model.endpoint import Endpoint, PortRequest
from fairlead.model.errors import Refusal
from fairlead.model.sandbox import INGRESS
from tests.effects.kernel.conftest import run
from tests.engine.networking.hosts import Hosts, Node, hosts, swarm_network
from tests.support.answering import Answer, Answerers, answerers, ask, connect, read_answer

PUBLISHED, TARGET = 8080, 80
TIMESTAMPS = 12
"""Bytes of options in every segment."""
KEY = MeshKey(PUBLISHED)
NETWORK = swarm_network("ingress", "10.0.0.0/24", ingress=True)
TASK = "10.0.0.9"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Hosts, Answerers]]:
    """Both hosts have their end of the mesh; the task is on the second."""
    with answerers() as served:
        async with hosts(tmp_path, 2) as made:
            await open_everywhere(made)
            served.serve("task", made.nodes[1].ns("task"), TARGET)
            await tell(made, TASK)
            yield made, served


async def open_everywhere(made: Hosts) -> None:
    """Give every host its end of the mesh, and the second a task."""
    await made.ensure(NETWORK)
    for number, node in enumerate(made.nodes, start=2):
        with node.inside():
            await open_ingress(node, f"10.0.0.{number}/24")
    with made.nodes[1].inside():
        await made.nodes[1].put("task", ingress=TASK)
    await made.meet("ingress")


async def open_ingress(node: Node, address: str) -> None:
    await node.engine.ingress.open(node.state.network("ingress"), [ip_interface(address)])


async def tell(world: Hosts, *tasks: str, key: MeshKey = KEY) -> None:
    ends = {str(node.address): end(node) for node in world.nodes}
    backends = tuple(MeshBackend(ip_interface(task).ip, TARGET) for task in tasks)
    service = MeshService(key, backends, service="web")
    for node in world.nodes:
        with node.inside():
            await node.engine.ingress.entrances(ends)
            await node.engine.ingress.mesh({key: service})


def end(node: Node) -> Entrance:
    found = inner(node)
    assert found.ipv4
    return Entrance(found.mac, found.ipv4.ip)


def inner(node: Node) -> Endpoint:
    return next(each for each in node.state.endpoints_of(INGRESS) if not each.egress)


async def test_every_host_shows_the_port_and_the_task_sees_the_client(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    first, second = made.nodes
    assert ask(first.place, str(second.address), PUBLISHED) == Answer("task", str(first.address))
    assert ask(second.place, str(first.address), PUBLISHED) == Answer("task", str(second.address))
    assert ask(first.place, "127.0.0.1", PUBLISHED).name == "task"


async def test_containers_of_a_host_may_ask_it(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    for node in made.nodes:
        with node.inside():
            await node.run("web")
        assert ask(node.ns("web"), str(node.address), PUBLISHED).name == "task"
    assert ask(made.nodes[1].ns("task"), str(made.nodes[1].address), PUBLISHED).name == "task"


async def test_a_task_of_the_host_itself_is_reached_without_a_detour(world: tuple[Hosts, Answerers]) -> None:
    """With the ingress sandbox off its network: by clients of every kind, which the task sees as it ever did."""
    made, _ = world
    first, second = made.nodes
    with second.inside():
        await second.run("web")
    run("ip", "link", "set", inner(second).ifname, "down", ns=second.state.sandboxes[INGRESS].ns)
    assert ask(first.place, str(second.address), PUBLISHED) == Answer("task", str(first.address))
    for place, address in ((second.place, "127.0.0.1"), (second.ns("web"), second.address), (second.ns("task"), TASK)):
        asked = str(second.address) if address == TASK else str(address)
        assert ask(place, asked, PUBLISHED).name == "task", (place, asked)


async def test_every_task_has_its_share_wherever_it_runs(world: tuple[Hosts, Answerers]) -> None:
    made, served = world
    first, second = made.nodes
    with first.inside():
        await first.put("other", ingress="10.0.0.10")
    served.serve("other", first.ns("other"), TARGET)
    await made.meet("ingress")
    await tell(made, TASK, "10.0.0.10")
    for client, node in ((first, second), (second, first)):
        answers = [ask(client.place, str(node.address), PUBLISHED) for _ in range(20)]
        assert {answer.client for answer in answers} == {str(client.address)}
        assert 8 <= [answer.name for answer in answers].count("task") <= 12


async def test_a_task_that_answers_by_another_network_is_reached_over_the_ingress_network(
    world: tuple[Hosts, Answerers],
) -> None:
    made, _ = world
    first, second = made.nodes
    with second.inside():
        await second.network("elsewhere", "172.30.0.0/24")
        await second.connect("elsewhere", "task")
    assert ask(first.place, str(second.address), PUBLISHED) == Answer("task", str(first.address))
    with second.inside():
        await second.disconnect("elsewhere", "task")
    assert ask(first.place, str(second.address), PUBLISHED) == Answer("task", str(first.address))


async def test_connections_to_a_task_of_the_host_that_is_gone_are_reset(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    first, second = made.nodes
    with connect(first.place, str(second.address), PUBLISHED) as held:
        assert read_answer(held).name == "task"
        leg = second.endpoint("task", "docker_gwbridge")
        run("ip", "link", "set", leg.host_ifname, "down", ns=second.place)
        await tell(made)
        held.sendall(b"anybody?")
        with pytest.raises(ConnectionResetError):
            held.recv(64)


async def test_a_port_of_the_mesh_is_nobody_elses(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    node = made.nodes[0]
    with node.inside(), pytest.raises(Refusal, match=r"already allocated \(by service web,"):
        await node.run("web", ports=(PortRequest(80, host_ports=(PUBLISHED, PUBLISHED)),))


async def test_what_is_told_to_be_gone_is_given_back(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    first, second = made.nodes
    with first.inside():
        await first.engine.ingress.mesh({KEY: None})
        await first.check()
        await first.run("web", ports=(PortRequest(TARGET, host_ports=(PUBLISHED, PUBLISHED)),))
    with pytest.raises(ConnectionRefusedError):
        ask(second.place, str(first.address), PUBLISHED)


async def test_the_mesh_goes_on_over_a_restart(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    first, second = made.nodes
    before = first.state.sandboxes[INGRESS]
    await first.restart()
    with first.inside():
        await open_ingress(first, "10.0.0.2/24")
        await first.check()
    assert first.state.sandboxes[INGRESS] == before
    await made.ensure(NETWORK)
    await made.meet("ingress")
    await tell(made, TASK)
    assert ask(second.place, str(first.address), PUBLISHED).name == "task"


async def test_a_node_that_leaves_keeps_nothing(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    node = made.nodes[0]
    with node.inside():
        await node.engine.ingress.close()
        await node.check()
    assert INGRESS not in node.state.sandboxes
    assert not node.state.endpoints_of(INGRESS)


async def test_connections_begin_with_segments_that_fit_the_ingress_network(world: tuple[Hosts, Answerers]) -> None:
    """Nobody on the way has to say that a packet was too large: many networks drop such words."""
    made, _ = world
    first, second = made.nodes
    with connect(second.place, str(first.address), PUBLISHED) as asking:
        assert asking.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) + TIMESTAMPS == 1450 - 40
