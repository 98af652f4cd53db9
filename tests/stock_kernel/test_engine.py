"""The engine where the kernel has IPVS and SCTP."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.effects.kernel.places import Place
from fairlead.model.config import IPVS
from fairlead.model.endpoint import PortRequest
from tests.engine.networking.conftest import host, living
from tests.engine.networking.house import House
from tests.engine.networking.test_balancing import reached, served, tell
from tests.support.answering import Answerers

pytestmark = [
    pytest.mark.stock_kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

__all__ = ["host", "served"]

SCTP = 132


@pytest.fixture
async def house(host: None, tmp_path: Path) -> AsyncIterator[House]:
    async with living(House(tmp_path, balancer=IPVS)) as made:
        yield made


def weights(house: House, name: str) -> list[dict[str, int]]:
    """What IPVS holds in a sandbox."""
    place = Place(house.ns(name))
    try:
        return [{str(each): weight for each, weight in server.real.items()} for server in place.ipvs.servers()]
    finally:
        place.close()


async def test_ipvs_leads_through_changes_and_restarts(house: House, served: Answerers) -> None:
    """One story: under emulation a house takes a while to build."""
    house.fabric.balancing.check()
    await house.run("client", "pets")
    await tell(house, "one", "two")
    assert reached(house, "client") == {"one", "two"}
    (held,) = weights(house, "client")
    assert sorted(held.values()) == [1, 1]
    await house.restart()
    assert reached(house, "client") == {"one", "two"}
    await tell(house, "two")
    assert reached(house, "client") == {"two"}
    (left,) = weights(house, "client")
    assert len(left) == 1
    await house.check()
    await house.connect("toys", "client")
    await house.disconnect("pets", "client")
    assert weights(house, "client") == []


async def test_a_port_is_published_for_sctp(house: House) -> None:
    await house.network("pets", "10.5.0.0/24")
    await house.run("web", "pets", ports=(PortRequest(500, "sctp", host_ports=(5000, 5000)),))
    with netns.entered(house.ns("web")):
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    with server:
        server.bind(("0.0.0.0", 500))
        server.listen()
        server.settimeout(10)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as client:
            client.settimeout(10)
            client.connect(("10.5.0.1", 5000))
            client.sendall(b"hello")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(64) == b"hello"
