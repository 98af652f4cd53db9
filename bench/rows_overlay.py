"""Overlay networks: packets between two hosts, against a VXLAN made by hand between the same hosts; a task's name on
another host; and what a node with some of all this takes while nothing happens."""

from __future__ import annotations

import calendar
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.clusters import MACHINES, Cluster, asked, idle
from bench.engines import Engine
from bench.figures import Figure, interleaved
from bench.wires import PROBE, Wire, compared

HOSTS = ("192.168.50.11", "192.168.50.12")
NAMES, SERVICES = 30, 10


def measure(ours: Cluster, peer: Cluster, rounds: int) -> list[Figure]:
    with _by_hand(ours) as hand:
        packets = compared(_containers(ours), _containers(peer), hand, "overlay", "VXLAN", 1.05)
    return [*packets, *_names(ours, peer, max(2 * rounds, NAMES)), *_standing(ours, peer)]


# --- packets --------------------------------------------------------------------------------------


def _containers(swarm: Cluster) -> Wire:
    """A user's container on each of the first two machines."""
    swarm.network("wire", attachable=True)
    ends = []
    for name, engine in zip(("wire-a", "wire-b"), swarm.engines, strict=False):
        client = engine.client()
        client.run(name, network="wire")
        ends.append(client.get(f"/containers/{name}/json"))
        client.close()
    client_end, server_end = (engine.within(end) for engine, end in zip(swarm.engines, ends, strict=False))
    return Wire(client_end, server_end, ends[1]["NetworkSettings"]["Networks"]["wire"]["IPAddress"])


@contextmanager
def _by_hand(swarm: Cluster) -> Iterator[Wire]:
    """The limit: on each machine a container's namespace, one with a bridge and a VXLAN device, and nothing else."""
    script = """
for name in hand wires; do touch $0/$name && unshare --net=$0/$name true; done
ip link add vxlan9 type vxlan id 9 dstport 4790 local $2 remote $3
ip link set vxlan9 netns $0/wires
inside() { nsenter --net=$0/$1 ip link set $2 up; }
nsenter --net=$0/wires ip link add br0 type bridge
nsenter --net=$0/wires ip link add port0 mtu 1450 type veth peer name eth0 mtu 1450 netns $0/hand
for link in vxlan9 port0; do nsenter --net=$0/wires ip link set $link master br0 up; done
inside wires br0; inside hand lo; inside hand eth0
nsenter --net=$0/hand ip address add 10.205.0.$1/24 dev eth0
"""
    nodes = [engine.node for engine in swarm.engines[:2]]
    try:
        for place, node in enumerate(nodes, 1):
            others = HOSTS[place - 1], HOSTS[2 - place]
            node.run(["sh", "-ec", script, str(node.directory), str(place), *others])
        ends = [node.inside(["nsenter", f"--net={node.directory}/hand", "--"]) for node in nodes]
        yield Wire(ends[0], ends[1], "10.205.0.2")
    finally:
        for node in nodes:
            node.run(["umount", f"{node.directory}/hand", f"{node.directory}/wires"], check=False)


# --- names ----------------------------------------------------------------------------------------


def _names(ours: Cluster, peer: Cluster, times: int) -> list[Figure]:
    """From the moment that the second machine's engine says a task's process began, to its service's name resolving in
    a container on the first one. The network is internal, so that no engine asks anybody outside meanwhile."""
    asking = {id(swarm): _asker(swarm) for swarm in (ours, peer)}
    samples = interleaved(
        lambda: _resolved(ours, asking[id(ours)]), lambda: _resolved(peer, asking[id(peer)]), times, warm_up=1
    )
    middle = [statistics.median(each) for each in samples]
    worst = [statistics.quantiles(each, n=100, method="inclusive")[98] for each in samples]
    row, known = "a task's name on another host", {"ours": samples[0], "peer": samples[1]}
    return [
        Figure(f"{row}, median", 1e3 * middle[0], 1e3 * middle[1], "ms", 1.0, samples=known),
        Figure(f"{row}, p99", 1e3 * worst[0], 1e3 * worst[1], "ms", 1.0),
        Figure(f"{row}, p99", worst[0], 1.0, "s", 1.0, note="base: one second"),
    ]


def _asker(swarm: Cluster) -> list[str]:
    swarm.network("named", attachable=True, internal=True)
    client = swarm.engines[0].client()
    client.run("asker", network="named")
    found = swarm.engines[0].within(client.get("/containers/asker/json"))
    client.close()
    return found


def _resolved(swarm: Cluster, asker: list[str]) -> float:
    name = swarm.fresh("named")
    command = [*asker, sys.executable, PROBE, "resolve", "127.0.0.11", "53", "60", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        swarm.create(name, 1, network="named", place=1, EndpointSpec={"Mode": "dnsrr"})
        said, _ = asking.communicate(timeout=90)
    began = _began(swarm.engines[1], name)
    swarm.remove(name)
    return float(said) - began


def _began(engine: Engine, service: str) -> float:
    """Seconds since the epoch at which the service's only container began."""
    filters = f'{{"label":["com.docker.swarm.service.name={service}"]}}'
    container = asked(engine, f"/containers/json?filters={filters}")[0]["Id"]
    text = asked(engine, f"/containers/{container}/json")["State"]["StartedAt"]
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


# --- standing -------------------------------------------------------------------------------------


def _standing(ours: Cluster, peer: Cluster) -> list[Figure]:
    """With services on an overlay network, each with a task on every node, and a port of the mesh for each."""
    for swarm in (ours, peer):
        swarm.network("standing")
        for number in range(SERVICES):
            _serve(swarm, f"standing{number}", 8200 + number)
    figures = idle(ours, peer, f"with {SERVICES} services on an overlay")
    for swarm in (ours, peer):
        for number in range(SERVICES):
            swarm.client.delete(f"/services/standing{number}")
    return figures


def _serve(swarm: Cluster, name: str, port: int) -> None:
    ports: list[dict[str, Any]] = [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": port}]
    swarm.create(name, MACHINES, network="standing", EndpointSpec={"Mode": "vip", "Ports": ports})
    swarm.wait(lambda: swarm.running(name) == MACHINES, f"{name} to run")
