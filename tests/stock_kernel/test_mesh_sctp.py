"""SCTP over the routing mesh: to a task of the node that the client entered, and to one of another node."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.core.balance.service import MeshKey
from fairlead.effects.kernel import netns
from tests.engine.networking.hosts import Hosts, hosts
from tests.engine.networking.test_balancing_mesh import PUBLISHED, TARGET, TASK, open_everywhere, tell

pytestmark = [
    pytest.mark.stock_kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

SCTP = 132
PATIENCE = 10.0
KEY = MeshKey(PUBLISHED, "sctp")


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Hosts]:
    """Both hosts have their end of the mesh; the task is on the second."""
    async with hosts(tmp_path, 2) as made:
        await open_everywhere(made)
        await tell(made, TASK, key=KEY)
        yield made


def speaking(ns: str) -> socket.socket:
    with netns.entered(ns):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    made.settimeout(PATIENCE)
    return made


async def test_the_task_is_reached_by_every_node_and_sees_the_client(pair: Hosts) -> None:
    first, second = pair.nodes
    with speaking(second.ns("task")) as server:
        server.bind(("0.0.0.0", TARGET))
        server.listen()
        for client, node in ((first, second), (second, first)):
            with speaking(client.place) as asking:
                asking.connect((str(node.address), PUBLISHED))
                accepted, (seen, _) = server.accept()
                with accepted:
                    accepted.settimeout(PATIENCE)
                    assert seen == str(client.address)
                    asking.sendall(b"hello")
                    assert accepted.recv(64) == b"hello"
                    accepted.sendall(b"who is there?")
                    assert asking.recv(64) == b"who is there?"
