"""The routing mesh and virtual addresses, as clients of a real swarm meet them: requests per second.

Docker's own mesh needs IPVS, which this machine's kernel has not, so the mesh is held against Docker's published port
of one host: the same way in, and one host less on the way. How virtual addresses do with many backends is measured
more finely, without containers, in `rows_balance`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench.clusters import Cluster, asked
from bench.figures import Figure
from bench.wires import PROBE, ROUNDS, SECONDS

FIRST, SECOND = "192.168.50.11", "192.168.50.12"
MESH, PUBLISHED, DIRECT = 8100, 8099, 80
FEW, MANY = 2, 50


def measure(ours: Cluster, peer: Cluster, rounds: int) -> list[Figure]:
    return [*_mesh(ours, peer), *_virtual(ours)]


def _mesh(ours: Cluster, peer: Cluster) -> list[Figure]:
    """The client is the third machine; the task is on the second."""
    ports = [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": MESH}]
    ours.create("meshed", 1, place=1, EndpointSpec={"Mode": "vip", "Ports": ports})
    ours.wait(lambda: ours.running("meshed") == 1, "the task to run")
    direct = ours.engines[1].client()
    direct.run("direct", network="host")
    published = peer.engines[0].client()
    published.run("published", PortBindings={"80/tcp": [{"HostPort": str(PUBLISHED)}]})
    client, peers_client = (swarm.engines[2].node.inside([]) for swarm in (ours, peer))
    served = _in_turn(
        {
            "elsewhere": lambda: _requests(client, FIRST, MESH),
            "here": lambda: _requests(client, SECOND, MESH),
            "direct": lambda: _requests(client, SECOND, DIRECT),
            "published": lambda: _requests(peers_client, FIRST, PUBLISHED),
        }
    )
    ours.remove("meshed")
    for connection, name in ((direct, "direct"), (published, "published")):
        connection.remove(name)
        connection.close()
    far, near = "mesh, by a node without the task", "mesh, by the task's node"
    unit, base = "requests/s", "base: the server without a network of its own"
    return [
        Figure(near, served["here"], served["published"], unit, 1.0, True, "peer: published by one host"),
        Figure(far, served["elsewhere"], served["published"], unit, None, True, "peer: published by one host"),
        Figure(near, served["here"], served["direct"], unit, None, True, base),
        Figure(far, served["elsewhere"], served["direct"], unit, None, True, base),
    ]


def _virtual(ours: Cluster) -> list[Figure]:
    """The client is a container on the first machine, all tasks are on the second."""
    ours.network("virtual", attachable=True)
    connection = ours.engines[0].client()
    connection.run("client", network="virtual")
    client = ours.engines[0].within(connection.get("/containers/client/json"))
    ways: dict[str, Callable[[], float]] = {}
    for count in (FEW, MANY):
        name = f"virtual{count}"
        ours.create(name, count, network="virtual", place=1)
        ours.wait(lambda name=name, count=count: ours.running(name) == count, f"{count} tasks to run")  # type: ignore[misc]
        vip = _vip(ours, name)
        ways[str(count)] = lambda vip=vip: _requests(client, vip, 80)  # type: ignore[misc]
    address = _address(ours, f"virtual{FEW}")
    ways["direct"] = lambda: _requests(client, address, 80)
    served = _in_turn(ways)
    connection.remove("client")
    connection.close()
    for count in (FEW, MANY):
        ours.remove(f"virtual{count}")
    few, many, direct = served[str(FEW)], served[str(MANY)], served["direct"]
    unit = "requests/s"
    return [
        Figure(
            f"service of {FEW} tasks by its virtual address", few, direct, unit, 0.9, True, "base: a task's address"
        ),
        Figure(f"service of {MANY} tasks by its virtual address", many, few, unit, 0.9, True, f"base: of {FEW} tasks"),
    ]


def _in_turn(ways: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Medians, the first round being left out."""
    rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS + 1)][1:]
    return {name: statistics.median(each[name] for each in rounds) for name in ways}


def _requests(client: list[str], address: str, port: int) -> float:
    command = [*client, sys.executable, PROBE, "http", address, str(port), str(SECONDS)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def _vip(swarm: Cluster, service: str) -> str:
    found: list[dict[str, Any]] = swarm.client.get(f"/services/{service}")["Endpoint"]["VirtualIPs"]
    return str(found[0]["Addr"]).partition("/")[0]


def _address(swarm: Cluster, service: str) -> str:
    """Of any of its tasks."""
    filters = f'{{"label":["com.docker.swarm.service.name={service}"]}}'
    container = asked(swarm.engines[1], f"/containers/json?filters={filters}")[0]["Id"]
    seen = asked(swarm.engines[1], f"/containers/{container}/json")
    return str(seen["NetworkSettings"]["Networks"]["virtual"]["IPAddress"])
