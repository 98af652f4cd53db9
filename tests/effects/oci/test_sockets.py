"""Who is connected to the servers of a namespace."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from fairlead.effects.oci.sockets import is_asked
from tests.support.spaces import host_namespace

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(autouse=True)
def space() -> Iterator[None]:
    with host_namespace():
        for command in ("link set lo up", "address add 10.9.0.1/32 dev lo", "address add fd77::1/128 dev lo"):
            subprocess.run(["ip", *command.split()], check=True)
        yield


def asked() -> bool:
    return is_asked(threading.get_native_id())


@pytest.mark.parametrize("address", ["10.9.0.1", "fd77::1"])
def test_a_client_is_there_until_it_hangs_up(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        assert not asked()
        with socket.create_connection(server.getsockname()[:2]) as client, server.accept()[0]:
            assert asked()
            client.shutdown(socket.SHUT_WR)
            assert asked(), "it may still wait for the answer"
        assert not asked()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("both", [False, True], ids=["one family", "both families"])
def test_what_a_container_asks_itself_is_nobody_elses_matter(address: str, both: bool) -> None:
    family = socket.AF_INET6 if both or ":" in address else socket.AF_INET
    with (
        socket.create_server(("::" if both else address, 0), family=family, dualstack_ipv6=both) as server,
        socket.create_connection((address, server.getsockname()[1])),
        server.accept()[0],
    ):
        assert not asked()


def test_what_it_asks_of_others_does_not_count() -> None:
    server = socket.create_server(("10.9.0.1", 0))
    with socket.create_connection(server.getsockname()), server.accept()[0]:
        server.close()
        assert not asked(), "nothing is served here any more"


def test_nobody_asks_who_is_not_there() -> None:
    assert not is_asked(1 << 30)
