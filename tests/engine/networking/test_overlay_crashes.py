"""A daemon that dies at any step of what it does with swarm networks: what was acknowledged stands, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.networking.hosts import Node, addressed, hosts, swarm_network
from tests.engine.networking.house import House
from tests.engine.networking.test_crashes import until_it_gets_through

RED = swarm_network("red", "10.0.1.0/24 10.0.2.0/24")


@pytest.fixture
async def node(host: None, tmp_path: Path) -> AsyncIterator[Node]:
    async with hosts(tmp_path, 1) as made:
        yield made.nodes[0]


@pytest.mark.parametrize("after", [False, True])
async def test_a_network_and_its_way_out_come_and_go(node: Node, after: bool) -> None:
    async def ensure(_: House) -> None:
        await node.ensure(RED)

    async def release(_: House) -> None:
        await node.overlays.release(RED.id)

    assert await until_it_gets_through(node, ensure, after) >= 2
    assert node.state.find_network("red") is not None
    assert node.state.find_network("docker_gwbridge") is not None
    assert await until_it_gets_through(node, release, after) >= 1
    assert node.state.find_network("red") is None


@pytest.mark.parametrize("after", [False, True])
async def test_the_first_container_and_the_last(node: Node, after: bool) -> None:
    await node.ensure(RED)

    async def start(_: House) -> None:
        await node.run("web", "red", endpoints={"red": addressed("10.0.2.5")})

    async def stop(_: House) -> None:
        await node.stop("web")

    assert await until_it_gets_through(node, start, after) >= 6
    await node.restart()
    await node.check()
    assert await until_it_gets_through(node, stop, after) >= 1
    assert not node.state.endpoints
    await node.check()


@pytest.mark.parametrize("after", [False, True])
async def test_a_running_container_comes_to_it_and_leaves(node: Node, after: bool) -> None:
    await node.ensure(RED)
    await node.network("plain", "10.50.0.0/24", internal=True)
    await node.run("web", "plain")

    async def connect(_: House) -> None:
        if not node.presences("red"):
            await node.connect("red", "web", ipv4="10.0.1.5")

    async def disconnect(_: House) -> None:
        if node.presences("red"):
            await node.disconnect("red", "web")

    # Killed before anything was written, it is undone; afterwards the next daemon finishes it.
    assert await until_it_gets_through(node, connect, after) >= 1
    assert node.endpoint("web", "docker_gwbridge").egress
    assert await until_it_gets_through(node, disconnect, after) >= 1
    assert len(node.state.endpoints) == 1
    await node.check()
