"""A port of the mesh that a task is to have on its node for itself: the mesh gives it up first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fairlead.core.balance.service import MeshKey, MeshService
from fairlead.engine.fabric import publish
from fairlead.model.endpoint import PortRequest
from fairlead.model.errors import Refusal
from tests.engine import builders
from tests.engine.networking.hosts import Hosts, Node
from tests.engine.networking.test_balancing_mesh import KEY, PUBLISHED, TARGET, world
from tests.support.answering import Answerers, ask

__all__ = ["world"]

PORT = PortRequest(TARGET, host_ports=(PUBLISHED, PUBLISHED))


async def run_task(node: Node, service: str) -> None:
    """A container as the swarm makes it for a task that has the port for itself."""
    made = builders.container("lonely", ports=(PORT,))
    await node.add(replace(made, spec=replace(made.spec, task_id="t1", labels={publish.SERVICE: service})))
    await node.run("lonely")


async def test_a_task_of_the_same_service_has_it_at_once(world: tuple[Hosts, Answerers]) -> None:
    made, served = world
    first, second = made.nodes
    with first.inside():
        await run_task(first, "web")
        served.serve("lonely", first.ns("lonely"), TARGET)
        assert ask(second.place, str(first.address), PUBLISHED).name == "lonely"
        await first.engine.ingress.mesh({KEY: MeshService(KEY, service="web")})
    assert ask(second.place, str(first.address), PUBLISHED).name == "lonely"
    assert ask(first.place, str(second.address), PUBLISHED).name == "task"


async def test_a_task_of_another_service_waits_until_it_is_given_up(world: tuple[Hosts, Answerers]) -> None:
    made, _ = world
    node = made.nodes[0]
    with node.inside():
        start = asyncio.create_task(run_task(node, "other"))
        await asyncio.sleep(0)
        await node.engine.ingress.mesh({MeshKey(PUBLISHED): None})
        await start
    assert [port.host_port for port in node.endpoint("lonely", "bridge").published] == [PUBLISHED, PUBLISHED]


async def test_what_is_not_given_up_is_refused_in_the_end(
    world: tuple[Hosts, Answerers], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = world
    monkeypatch.setattr(publish, "PATIENCE", 0.1)
    with made.nodes[0].inside(), pytest.raises(Refusal, match=r"already allocated \(by service web,"):
        await run_task(made.nodes[0], "other")
