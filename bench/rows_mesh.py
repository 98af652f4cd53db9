"""The routing mesh and virtual addresses, as clients of a real swarm meet them: how long one request takes, with its
connection, on one processor together with whoever answers.

Docker's own mesh needs IPVS, which this machine's kernel has not, so the mesh is held against Docker's published port
of one host: that is one translation and one host less on the way. How virtual addresses do with up to 500 backends is
measured more finely, without containers, in `rows_balance`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from bench.clusters import Cluster, asked
from bench.engines import Engine
from bench.figures import Figure
from bench.wires import PROBE, ROUNDS

FIRST, SECOND = "192.168.50.11", "192.168.50.12"
MESH, PUBLISHED, TARGET = 8100, 8099, 81
FEW, MANY = 2, 50
SECONDS, PATIENCE = 1.0, 300.0


def measure(ours: Cluster, peer: Cluster, rounds: int) -> list[Figure]:
    return [*_mesh(ours, peer), *_virtual(ours)]


def _mesh(ours: Cluster, peer: Cluster) -> list[Figure]:
    """The client is the third machine; the task is on the second."""
    ports = [{"Protocol": "tcp", "TargetPort": TARGET, "PublishedPort": MESH}]
    ours.create("meshed", 1, place=1, EndpointSpec={"Mode": "vip", "Ports": ports})
    ours.wait(lambda: ours.running("meshed") == 1, "the task to run")
    docker = peer.engines[0].client()
    docker.run("published", PortBindings={f"{TARGET}/tcp": [{"HostPort": str(PUBLISHED)}]})
    published = docker.get("/containers/published/json")["State"]["Pid"]
    client, peers_client = (swarm.engines[2].node.inside([]) for swarm in (ours, peer))
    with ExitStack() as serving:
        serving.enter_context(_answering(ours.engines[1], [*_pids(ours, "meshed"), 1]))
        serving.enter_context(_answering(peer.engines[0], [published]))
        taken = _in_turn(
            {
                "elsewhere": lambda: _ask(client, FIRST, MESH),
                "here": lambda: _ask(client, SECOND, MESH),
                "direct": lambda: _ask(client, SECOND, TARGET),
                "published": lambda: _ask(peers_client, FIRST, PUBLISHED),
            }
        )
    ours.remove("meshed")
    docker.remove("published")
    docker.close()
    far, near = "mesh request, by a node without the task", "mesh request, by the task's node"
    published_by, direct = "peer: port published by one host", "base: the same server on the host itself"
    return [
        Figure(near, taken["here"], taken["published"], "us", note=published_by),
        Figure(far, taken["elsewhere"], taken["published"], "us", note=published_by),
        Figure(near, taken["here"], taken["direct"], "us", note=direct),
        Figure(far, taken["elsewhere"], taken["direct"], "us", note=direct),
    ]


def _virtual(ours: Cluster) -> list[Figure]:
    """The client is a container on the first machine, all tasks are on the second."""
    ours.network("virtual", attachable=True)
    connection = ours.engines[0].client()
    connection.run("client", network="virtual")
    client = ours.engines[0].within(connection.get("/containers/client/json"))
    ways: dict[str, Callable[[], float]] = {}
    with ExitStack() as serving:
        for count in (FEW, MANY):
            name = f"virtual{count}"
            _fill(ours, name, count)
            serving.enter_context(_answering(ours.engines[1], _pids(ours, name)))
            ways[str(count)] = partial(_ask, client, _vip(ours, name), TARGET)
        address = _address(ours, f"virtual{FEW}")
        taken = _in_turn({**ways, "direct": lambda: _ask(client, address, TARGET)})
    connection.remove("client")
    connection.close()
    for count in (FEW, MANY):
        ours.remove(f"virtual{count}")
    few, many, direct = taken[str(FEW)], taken[str(MANY)], taken["direct"]
    request = "request to a service by its virtual address"
    return [
        Figure(f"{request}, {FEW} tasks", few, direct, "us", 1.1, note="base: to a task's address"),
        Figure(f"{request}, {MANY} tasks", many, few, "us", 1.1, note=f"base: {FEW} tasks"),
    ]


def _fill(swarm: Cluster, name: str, count: int) -> None:
    swarm.create(name, count, network="virtual", place=1)
    swarm.wait(lambda: swarm.running(name) == count, f"{count} tasks to run")


def _in_turn(ways: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The best of several rounds, since other work only adds to it."""
    rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS + 1)][1:]
    return {name: min(each[name] for each in rounds) for name in ways}


@contextmanager
def _answering(engine: Engine, pids: list[int]) -> Iterator[None]:
    """Something answers in the network namespaces of these processes of the engine's machine."""
    command = [sys.executable, PROBE, "answer", "0.0.0.0", str(TARGET), str(PATIENCE), *map(str, pids)]
    line = engine.node.inside(["taskset", "-c", "0", *command])
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        if serving.stdout.readline() != "ready\n":
            raise RuntimeError(f"nothing answers on {engine.node.name}")
        try:
            yield
        finally:
            serving.terminate()


def _ask(client: list[str], address: str, port: int) -> float:
    command = [*client, "taskset", "-c", "0", sys.executable, PROBE, "ask", address, str(port), str(SECONDS)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def _pids(swarm: Cluster, service: str) -> list[int]:
    """Of its tasks on the second machine, as that sees them."""
    return [int(each["State"]["Pid"]) for each in _inspected(swarm, service)]


def _address(swarm: Cluster, service: str) -> str:
    """Of any of its tasks."""
    return str(_inspected(swarm, service)[0]["NetworkSettings"]["Networks"]["virtual"]["IPAddress"])


def _inspected(swarm: Cluster, service: str) -> list[dict[str, Any]]:
    engine, filters = swarm.engines[1], f'{{"label":["com.docker.swarm.service.name={service}"]}}'
    found = asked(engine, f"/containers/json?filters={filters}")
    return [asked(engine, f"/containers/{each['Id']}/json") for each in found]


def _vip(swarm: Cluster, service: str) -> str:
    found: list[dict[str, Any]] = swarm.client.get(f"/services/{service}")["Endpoint"]["VirtualIPs"]
    return str(found[0]["Addr"]).partition("/")[0]
