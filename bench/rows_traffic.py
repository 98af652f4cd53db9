"""Packets: throughput and latency between two containers of one network, against the same wires made by hand, and
requests per second through a published port."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.engines import Engine
from bench.figures import Figure
from bench.wires import PROBE, ROUNDS, SECONDS, Wire, compared


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    with _by_hand(ours) as hand:
        found = compared(_containers(ours), _containers(peer), hand, "", "bridge", 1.03)
    served = [_published(ours), _published(peer)]
    return [*found, Figure("published port", served[0], served[1], "requests/s", 1.0, True)]


def _containers(engine: Engine) -> Wire:
    client = engine.client()
    client.post("/networks/create", {"Name": "wire", "CheckDuplicate": True})
    for name in ("wire-a", "wire-b"):
        client.run(name, network="wire")
    seen = [client.get(f"/containers/{name}/json") for name in ("wire-a", "wire-b")]
    client.close()
    ends = [engine.within(each) for each in seen]
    return Wire(ends[0], ends[1], seen[1]["NetworkSettings"]["Networks"]["wire"]["IPAddress"])


@contextmanager
def _by_hand(engine: Engine) -> Iterator[Wire]:
    """The limit: two namespaces on one bridge, and nothing else."""
    script = """
ip link add hand0 type bridge && ip link set hand0 up
for n in 1 2; do
    touch $0/hand$n
    unshare --net=$0/hand$n true
    ip link add handp$n type veth peer name eth0 netns $0/hand$n
    ip link set handp$n master hand0 up
    nsenter --net=$0/hand$n ip link set lo up
    nsenter --net=$0/hand$n ip link set eth0 up
    nsenter --net=$0/hand$n ip address add 10.203.0.$n/24 dev eth0
done
"""
    folder = engine.node.directory
    engine.node.run(["sh", "-ec", script, str(folder)])
    try:
        ends = [engine.node.inside(["nsenter", f"--net={folder}/hand{n}", "--"]) for n in (1, 2)]
        yield Wire(ends[0], ends[1], "10.203.0.2")
    finally:
        engine.node.run(["umount", f"{folder}/hand1", f"{folder}/hand2"], check=False)


def _published(engine: Engine) -> float:
    client = engine.client()
    client.run("served", PortBindings={"80/tcp": [{"HostPort": "8099"}]})
    client.close()
    command = [sys.executable, PROBE, "http", "127.0.0.1", "8099", str(SECONDS)]
    figures = []
    for _ in range(ROUNDS):
        said = subprocess.run(engine.node.inside(command), capture_output=True, text=True, check=True, timeout=60)
        figures.append(float(said.stdout))
    return statistics.median(figures)
