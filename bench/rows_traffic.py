"""Packets: throughput and latency between two containers of one network, against the same wires made by hand, and
requests per second through a published port."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.engines import Engine
from bench.figures import Figure

SECONDS = 2.0
ROUNDS = 5
PROBE = str(Path(__file__).with_name("probe.py"))


class Wire:
    """Two ends that can reach each other: command prefixes of their namespaces, and the server's address."""

    def __init__(self, engine: Engine, client: Sequence[str], server: Sequence[str], address: str) -> None:
        self.engine, self.client, self.server, self.address = engine, client, server, address

    def throughput(self) -> float:
        """Gbit of one TCP stream for each second of processor time, both ends on one CPU: what the stream would run at
        if nobody else used it."""
        serving = self._spawn(self.server, ["iperf3", "-s", "-1", "-p", "5201"])
        self._listening(5201)
        said = self._run(self.client, ["iperf3", "-J", "-c", self.address, "-p", "5201", "-t", str(SECONDS)])
        serving.wait(30)
        end = json.loads(said)["end"]
        share = (end["cpu_utilization_percent"]["host_total"] + end["cpu_utilization_percent"]["remote_total"]) / 100
        return float(end["sum_received"]["bits_per_second"]) / 1e9 / share

    def latency(self) -> float:
        """Microseconds of one round trip at the median, both ends on one CPU. Other work only adds to it: the best of
        several rounds counts."""
        serving = self._spawn(self.server, [sys.executable, PROBE, "serve", "0.0.0.0", "5301", "30"])
        self._listening(5301)
        said = self._run(self.client, [sys.executable, PROBE, "rr", self.address, "5301", "1"])
        serving.terminate()
        serving.wait(10)
        return float(said)

    def _listening(self, port: int) -> None:
        bound = f":{port:04X} 0*:0000 0A"
        script = f"until grep -q '{bound}' /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done"
        self._run(self.server, ["timeout", "30", "sh", "-c", script])

    def _command(self, prefix: Sequence[str], command: Sequence[str]) -> list[str]:
        return self.engine.node.inside([*prefix, "taskset", "-c", "0", *command])

    def _spawn(self, prefix: Sequence[str], command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command(prefix, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _run(self, prefix: Sequence[str], command: Sequence[str]) -> str:
        return subprocess.run(
            self._command(prefix, command), capture_output=True, text=True, check=True, timeout=60
        ).stdout


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    with _by_hand(ours) as hand:
        wires = [_containers(ours), _containers(peer), hand]
        fast = [[wire.throughput() for wire in wires] for _ in range(ROUNDS)]
        quick = [[wire.latency() for wire in wires] for _ in range(ROUNDS)]
    gbit = [statistics.median(column) for column in zip(*fast, strict=True)]
    micro = [min(column) for column in zip(*quick, strict=True)]
    served = [_published(ours), _published(peer)]
    return [
        Figure("TCP throughput", gbit[0], gbit[1], "Gbit/s", 1.0, True),
        Figure("TCP throughput", gbit[0], gbit[2], "Gbit/s", 0.97, True, "base: bridge by hand"),
        Figure("request-response", micro[0], micro[1], "us", 1.0),
        Figure("request-response", micro[0], micro[2], "us", 1.03, False, "base: bridge by hand"),
        Figure("published port", served[0], served[1], "requests/s", 1.0, True),
    ]


def _containers(engine: Engine) -> Wire:
    client = engine.client()
    client.post("/networks/create", {"Name": "wire", "CheckDuplicate": True})
    for name in ("wire-a", "wire-b"):
        client.run(name, network="wire")
    seen = [client.get(f"/containers/{name}/json") for name in ("wire-a", "wire-b")]
    client.close()
    ends = [["nsenter", "--target", str(each["State"]["Pid"]), "--net", "--"] for each in seen]
    return Wire(engine, ends[0], ends[1], seen[1]["NetworkSettings"]["Networks"]["wire"]["IPAddress"])


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
        ends = [["nsenter", f"--net={folder}/hand{n}", "--"] for n in (1, 2)]
        yield Wire(engine, ends[0], ends[1], "10.203.0.2")
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
