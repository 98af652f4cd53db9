"""The routing mesh of a real swarm: clients of every kind, and daemons that go while they ask.

lan 192.168.50.0/24, fd50::/64 ──┬── a (.11, manager)  all its ports lead elsewhere
                                 ├── b (.12, worker)   the service's only task
                                 └── c (.13, worker)   clients

The task's server answers datagrams from a socket that does not look where they came in.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from tests.support import images
from tests.support.answering import Answer, answerers, ask, ask_by_datagram
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

PORT, ONLY, TARGET = 8080, 8081, 80
HOSTS = ("a", "b", "c")


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(list(HOSTS), roles={"a": "manager", "b": "worker", "c": "worker"})) as made:
        made.form_swarm()
        # On a crowded machine a daemon may take longer to start than the others wait before they replace its tasks.
        made.host("a").docker("swarm update --dispatcher-heartbeat 60s")
        for number, host in enumerate(made.hosts(*HOSTS), 1):
            host.sh(f"ip -6 address add fd50::{number}/64 dev eth0 nodad")
            images.provide(host, "busybox")
        _create(made.host("a"), made.host("b").address)
        with answerers() as served:
            served.serve("task", _task(made.host("b")), TARGET)
            for host in made.hosts(*HOSTS):
                wait_for(partial(_answers, made.host("c"), host.address), 20, "the mesh to answer")
            for number in range(1, 4):
                wait_for(partial(_answers, made.host("c"), f"fd50::{number}"), 20, "the mesh to answer IPv6")
            yield made


def _create(manager: Machine, only: str) -> None:
    """A service with ports at all addresses, and one at a single address of the nodes."""
    ports = [
        {"Protocol": "tcp", "TargetPort": TARGET, "PublishedPort": PORT},
        {"Protocol": "udp", "TargetPort": TARGET, "PublishedPort": PORT},
        {"Protocol": "tcp", "TargetPort": TARGET, "PublishedPort": ONLY, "HostIP": only},
    ]
    container = {"Image": "busybox", "Command": ["tail", "-f", "/dev/null"]}
    task = {"ContainerSpec": container, "Placement": {"Constraints": ["node.hostname==b"]}}
    manager.call(
        "POST", "/v1.41/services/create", {"Name": "web", "TaskTemplate": task, "EndpointSpec": {"Ports": ports}}
    )


def _task(host: Machine) -> str:
    """The namespace of the task's container."""
    found = list[str]()

    def runs() -> bool:
        found[:] = host.docker("ps -q --filter name=web.").split()
        return bool(found)

    wait_for(runs, 60, "the task to run")
    key = json.loads(host.docker(f"inspect {found[0]}"))[0]["NetworkSettings"]["SandboxKey"]
    return f"/proc/{host.node.pid}/root{key}"


def place(host: Machine) -> str:
    return f"/proc/{host.node.pid}/ns/net"


def _answers(client: Machine, address: str) -> bool:
    try:
        return ask(place(client), address, PORT, 1).name == "task"
    except OSError:
        return False


def test_tcp_and_udp_come_from_the_client_and_go_back_by_the_same_address(lab: Laboratory) -> None:
    c = lab.host("c")
    for asked in (ask, ask_by_datagram):
        for host in lab.hosts(*HOSTS):
            assert asked(place(c), host.address, PORT) == Answer("task", c.address), (asked, host.name)


def test_clients_of_ipv6_are_served_although_the_mesh_has_none(lab: Laboratory) -> None:
    """The node carries them: they come from an address of it."""
    c = lab.host("c")
    for address in ("fd50::1", "fd50::2", "fd50::3", "::1"):
        assert ask(place(c), address, PORT).name == "task", address
    assert ask_by_datagram(place(c), "fd50::1", PORT).name == "task"


def test_a_port_of_one_address_is_shown_there_alone(lab: Laboratory) -> None:
    a, b, c = lab.hosts(*HOSTS)
    assert ask(place(c), b.address, ONLY) == Answer("task", c.address)
    for address in (a.address, c.address, "127.0.0.1", "fd50::2"):
        with pytest.raises(ConnectionRefusedError):
            ask(place(c), address, ONLY, 2)


@contextmanager
def asking(client: Machine, address: str) -> Iterator[Counter[str]]:
    """New connections one after the other, and what became of them."""
    said, going, ns = Counter[str](), threading.Event(), place(client)

    def ask_on() -> None:
        while not going.wait(0.01):
            try:
                said[ask(ns, address, PORT, 3).name] += 1
            except OSError as error:
                said[f"{time.strftime('%H:%M:%S')} {error!r}"] += 1

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield said
    finally:
        going.set()
        thread.join()


@pytest.mark.parametrize("end", [Machine.stop, Machine.kill], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("which", ["c", "b", "a"])
def test_no_connection_fails_while_a_daemon_is_started_again(
    lab: Laboratory, which: str, end: Callable[[Machine], None]
) -> None:
    """That of the node which the client asks, of the task's node, and of the manager."""
    host, a, c = lab.host(which), lab.host("a"), lab.host("c")
    entered = c.address if which == "c" else a.address
    with asking(lab.host("b" if which == "c" else "c"), entered) as said:
        wait_for(lambda: said["task"] > 5, 10, "connections")
        end(host)
        before = said["task"]
        wait_for(lambda: said["task"] > before + 20, 10, "connections without the daemon")
        host.start()
        wait_for(
            lambda: docker(a, "node ls --format {{.Status}}").stdout.split() == ["Ready"] * 3,
            30,
            "all nodes to be ready",
        )
        before = said["task"]
        wait_for(lambda: said["task"] > before + 200, 30, "connections through what was told anew")
    assert list(said) == ["task"], said
