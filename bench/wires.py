"""Two ends that can reach each other, and how fast: both on one processor, so that waking up hides nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure

SECONDS = 2.0
ROUNDS = 5
PROBE = str(Path(__file__).with_name("probe.py"))


class Wire:
    """`client` and `server` are the commands that lead into their namespaces, `address` is the server's."""

    def __init__(self, client: Sequence[str], server: Sequence[str], address: str) -> None:
        self.client, self.server, self.address = client, server, address

    def throughput(self) -> float:
        """Gbit of one TCP stream for each second of processor time, both ends on one CPU: what the stream would run at
        if nobody else used it."""
        serving = self._spawn(self.server, ["iperf3", "-s", "-1", "-p", "5201"])
        self._listening(5201)
        said = self._run(self.client, ["iperf3", "-J", "-c", self.address, "-p", "5201", "-t", str(SECONDS)])
        serving.wait(30)
        end = json.loads(said)["end"]
        spent = end["cpu_utilization_percent"]
        share = float(spent["host_total"] + spent["remote_total"]) / 100
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

    def _spawn(self, inside: Sequence[str], command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(_pinned(inside, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _run(self, inside: Sequence[str], command: Sequence[str]) -> str:
        line = _pinned(inside, command)
        return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


def compared(ours: Wire, peer: Wire, hand: Wire, what: str, by_hand: str, latency_goal: float) -> list[Figure]:
    """Throughput and latency of three wires, taken in turn. `what` stands before the rows' names; `by_hand` says what
    the last one is."""
    wires = (ours, peer, hand)
    gbit = [[wire.throughput() for wire in wires] for _ in range(ROUNDS)]
    micro = [[wire.latency() for wire in wires] for _ in range(ROUNDS)]
    fast = [statistics.median(column) for column in zip(*gbit, strict=True)]
    quick = [min(column) for column in zip(*micro, strict=True)]
    throughput, request = (f"{what} {row}".strip() for row in ("TCP throughput", "request-response"))
    note = f"base: {by_hand} by hand"
    return [
        Figure(throughput, fast[0], fast[1], "Gbit/s", 1.0, True, samples=_columns(gbit)),
        Figure(throughput, fast[0], fast[2], "Gbit/s", 0.97, True, note),
        Figure(request, quick[0], quick[1], "us", 1.0, samples=_columns(micro)),
        Figure(request, quick[0], quick[2], "us", latency_goal, False, note),
    ]


def _columns(rows: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    return {name: list(column) for name, column in zip(("ours", "peer", "hand"), zip(*rows, strict=True), strict=True)}


def _pinned(inside: Sequence[str], command: Sequence[str]) -> list[str]:
    return [*inside, "taskset", "-c", "0", *command]
