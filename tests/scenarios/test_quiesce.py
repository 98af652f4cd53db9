"""Tasks come and go under load, and nobody who asks for the service notices.

outside (.1, clients of the mesh) ── lan 192.168.50.0/24 ──┬── a (.11, manager)
                                                           ├── b (.12, worker)
                                                           └── c (.13, worker)

`web` has its tasks on all three, a virtual address on the network `att` and the published port 8080; the client `cl` is
a container on a. FAIRLEAD_QUIESCE_ROUNDS=10 scales and updates ten times as often.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from tests.scenarios.overlay_truth import Station, Truth, ask, everywhere, http, resolved
from tests.support import images
from tests.support.answering import Answerers, answerers, connect, read_answer
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timed,
    pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements()),
]

ROUNDS = int(os.environ.get("FAIRLEAD_QUIESCE_ROUNDS", "1"))
EVERY = 0.01
HEALTHY = "--health-cmd 'wget -q -O /dev/null http://127.0.0.1/' --health-interval 200ms --health-retries 10"
MANY, FEW = 5, 2
PUBLISHED, HELD = 8080, 7000
DETECTION_SECONDS = 20.0
"""In which the managers find that a machine is gone."""


@dataclass
class Service:
    lab: Laboratory
    vip: str
    client: str
    outside: str

    @property
    def hosts(self) -> list[Machine]:
        return self.lab.hosts("a", "b", "c")

    def tasks(self) -> list[Station]:
        return [each for each in everywhere(self.hosts, "att") if each.service == "web"]

    def scale(self, count: int) -> None:
        """Returns when so many tasks run and everybody knows them."""
        self.hosts[0].docker(f"service scale -d web={count}")
        wait_for(lambda: len(self.tasks()) == count, 30, f"{count} tasks")
        Truth(self.hosts, "att", {"web": self.vip}).wait(5)

    def update(self) -> None:
        """Returns when every task was replaced."""
        before = {task.name for task in self.tasks()}
        self.hosts[0].docker(f"service update -q --detach --env-add ROUND={time.monotonic_ns()} web")
        wait_for(lambda: self._replaced(before), 60, "all tasks to be replaced")

    def _replaced(self, before: set[str]) -> bool:
        now = {task.name for task in self.tasks()}
        return len(now) == len(before) and not now & before


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(["a", "b", "c"], roles={"a": "manager", "b": "worker", "c": "worker"})) as made:
        made.form_swarm()
        for host in made.hosts():
            images.provide(host, "nginx")
        a = made.host("a")
        a.docker("network create -d overlay --attachable --subnet 10.77.0.0/24 att")
        # A task serves from the moment when it is healthy; without a check that is its start, and not when it listens.
        order = f"--update-order start-first --update-delay 0s --update-parallelism 2 {HEALTHY}"
        a.docker(
            f"service create -q --detach --name web --replicas {MANY} {order} --network att -p {PUBLISHED}:80 nginx"
        )
        a.docker("run -d --net att --name cl nginx")
        yield made


@pytest.fixture
def service(lab: Laboratory) -> Service:
    a = lab.host("a")
    wait_for(lambda: docker(a, "service inspect web").returncode == 0, 20)
    (network,) = {a.docker("network inspect -f '{{.Id}}' att")}
    vips = ask(a, "/services/web")["Endpoint"]["VirtualIPs"]
    vip = next(each["Addr"].partition("/")[0] for each in vips if each["NetworkID"] == network)
    client = next(each for each in everywhere([a], "att") if each.name == "cl").ns
    made = Service(lab, vip, client, f"/proc/{lab.node('outside').pid}/ns/net")
    made.scale(MANY)
    return made


# --- clients ------------------------------------------------------------------------------------------


@dataclass
class Clients:
    """One that asks every 10 ms in a thread of its own; what went wrong is counted by kind, with the slowest answer."""

    ns: str
    address: str
    port: int
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def run(self, over: threading.Event) -> None:
        due = time.monotonic()
        while not over.is_set():
            began = time.monotonic()
            try:
                http(self.ns, self.address, self.port, "/index.html", within=5)
                self.answered += 1
            except OSError as error:
                self.failed[f"{type(error).__name__}: {error}"] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            due = max(due + EVERY, time.monotonic() - 1)
            over.wait(max(0.0, due - time.monotonic()))


@contextmanager
def asking(*clients: Clients) -> Iterator[None]:
    over = threading.Event()
    threads = [threading.Thread(target=client.run, args=(over,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(10)


def by_all_ways(service: Service) -> list[Clients]:
    mesh = [Clients(service.outside, host.address, PUBLISHED) for host in service.hosts]
    return [Clients(service.client, service.vip, 80), *mesh]


def judge(clients: list[Clients]) -> None:
    for client in clients:
        print(f"{client.address}:{client.port}: {client.answered} answers, slowest {client.slowest:.2f} s")
    assert not any(client.failed for client in clients), [dict(client.failed) for client in clients]
    assert all(client.answered > 100 for client in clients)


# --- what they see ------------------------------------------------------------------------------------


def test_no_connection_fails_while_a_service_is_scaled(service: Service) -> None:
    clients = by_all_ways(service)
    with asking(*clients):
        for _ in range(ROUNDS):
            service.scale(FEW)
            service.scale(MANY)
    judge(clients)


def test_no_connection_fails_while_a_service_is_updated(service: Service) -> None:
    clients = by_all_ways(service)
    with asking(*clients):
        for _ in range(ROUNDS):
            service.update()
    judge(clients)


@dataclass
class Held:
    """A connection that stays open, and the task that it leads to."""

    wire: socket.socket
    task: str

    def lives(self) -> bool:
        """Whether it still carries words both ways."""
        self.wire.settimeout(2)
        try:
            self.wire.sendall(b"still there?")
            return self.wire.recv(64) == b"still there?"
        except OSError:
            return False


@contextmanager
def held(service: Service, served: Answerers, count: int) -> Iterator[list[Held]]:
    for task in service.tasks():
        served.serve(task.name, task.ns, HELD)
    connections: list[Held] = []
    try:
        for _ in range(count):
            wire = connect(service.client, service.vip, HELD)
            connections.append(Held(wire, read_answer(wire).name))
        yield connections
    finally:
        for each in connections:
            each.wire.close()


def test_long_connections_outlive_what_happens_to_other_tasks(service: Service) -> None:
    with answerers() as served, held(service, served, 2 * MANY) as connections:
        assert len({each.task for each in connections}) > 1
        service.scale(FEW)
        stayed = {task.name for task in service.tasks()}
        service.scale(MANY)
        for each in connections:
            assert each.lives() is (each.task in stayed), each.task


def test_a_task_leaves_the_names_before_it_is_stopped(service: Service) -> None:
    """While it lives it is not found any more, so that nobody is sent to it."""
    before = {task.name: task for task in service.tasks()}
    service.hosts[0].docker(f"service scale -d web={FEW}")
    seen: set[str] = set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and len(seen) < MANY - FEW:
        found = resolved(service.client, "tasks.web")
        running = {task.name for task in service.tasks()}
        seen |= {name for name, task in before.items() if task.ipv4 not in found and name in running}
    assert len(seen) == MANY - FEW


def test_a_killed_task_resets_its_connections(service: Service) -> None:
    with answerers() as served, held(service, served, 2 * MANY) as connections:
        remote = next(each for each in connections if on_other_host(service, each.task))
        victim = next(task for task in service.tasks() if task.name == remote.task)
        host = service.lab.host(victim.host)
        began = time.monotonic()
        host.docker(f"kill -s KILL {victim.container[:12]}")
        assert ends_with_reset(remote.wire, 3)
        print(f"reset {time.monotonic() - began:.2f} s after the task was killed")
    service.scale(MANY)


def test_a_vanished_host_resets_the_connections_of_its_tasks(service: Service) -> None:
    with answerers() as served, held(service, served, 2 * MANY) as connections:
        victims = {task.name: task.host for task in service.tasks() if task.host == "c"}
        lost = next(each for each in connections if each.task in victims)
        began = time.monotonic()
        service.lab.isolate("c")
        try:
            assert ends_with_reset(lost.wire, DETECTION_SECONDS)
            print(f"reset {time.monotonic() - began:.2f} s after the host was gone")
        finally:
            service.lab.heal()
    wait_for(lambda: docker(service.hosts[0], "node ls").stdout.count("Ready") == 3, 20)
    service.scale(MANY)


def on_other_host(service: Service, name: str) -> bool:
    return any(task.name == name and task.host != "a" for task in service.tasks())


def ends_with_reset(wire: socket.socket, seconds: float) -> bool:
    """Whether a client that goes on talking is told that nobody is there, in that time."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 1, 0))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            wire.settimeout(0.2)
            wire.sendall(b"anybody?")
            if not wire.recv(64):
                return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            continue
    return False
