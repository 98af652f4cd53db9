"""Names: dnsperf inside a container against the engine's resolver, and in the same place against dnsmasq with the same
names. Queries per second flatter whoever has the idle CPU; the processor time of a query is the fairer figure."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.engines import Engine
from bench.figures import Figure

NAMES = 1000
SECONDS = 3
ROUNDS = 5
CLIENTS = ("-c", "8", "-T", "1", "-q", "100")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A resolver as clients in a namespace see it, and the processes that do its work."""

    inside: Sequence[str]
    address: str
    pids: Sequence[int]

    def load(self, queries: Path) -> tuple[float, float]:
        """(queries per second, microseconds of processor time each) under a flood of clients."""
        before = self._processor_time()
        said = subprocess.run(
            [*self.inside, "dnsperf", "-s", self.address, "-d", str(queries), "-l", str(SECONDS), *CLIENTS],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        spent = self._processor_time() - before
        answered = re.search(r"NOERROR (\d+) \(100.00%\)", said)
        if answered is None:
            raise RuntimeError(f"not every name was answered:\n{said}")
        return int(answered[1]) / SECONDS, 1e6 * spent / int(answered[1])

    def _processor_time(self) -> float:
        return sum(_processor_time(pid) for pid in self.pids)


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    queries = ours.node.directory / "dns-queries"
    queries.write_text("".join(f"name{number} A\n" for number in range(NAMES)))
    mine, theirs = _resolver(ours), _resolver(peer)
    with _dnsmasq(mine.inside, ours.node.directory) as base:
        taken = [[server.load(queries) for server in (mine, theirs, base)] for _ in range(min(rounds, ROUNDS))]
    (rate, docker_rate, base_rate), (cost, docker_cost, base_cost) = (
        [statistics.median(round_[server][what] for round_ in taken) for server in range(3)] for what in range(2)
    )
    return [
        Figure("DNS queries", rate, docker_rate, "q/s", 3.0, True),
        Figure("DNS queries", rate, base_rate, "q/s", None, True, "base: dnsmasq"),
        Figure("DNS processor time", cost, docker_cost, "us/query", 0.35),
        Figure("DNS processor time", cost, base_cost, "us/query", 1.25, False, "base: dnsmasq"),
    ]


def _resolver(engine: Engine) -> Server:
    """The engine's resolver with one container that has all the names."""
    client = engine.client()
    client.post("/networks/create", {"Name": "names", "CheckDuplicate": True})
    endpoint = {"Aliases": [f"name{number}" for number in range(NAMES)]}
    body = {
        "Image": "bench",
        "HostConfig": {"NetworkMode": "names"},
        "NetworkingConfig": {"EndpointsConfig": {"names": endpoint}},
    }
    container = client.post("/containers/create?name=names", body)["Id"]
    client.post(f"/containers/{container}/start")
    pid = client.get(f"/containers/{container}/json")["State"]["Pid"]
    client.close()
    inside = engine.node.inside(["nsenter", "--target", str(pid), "--net", "--"])
    return Server(inside, "127.0.0.11", [pid for pid, _ in engine.processes()])


@contextmanager
def _dnsmasq(inside: Sequence[str], directory: Path) -> Iterator[Server]:
    names = directory / "dns-names"
    names.write_text("".join(f"172.18.0.2 name{number}\n" for number in range(NAMES)))
    options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={names}", "--bind-interfaces"]
    options += ["--listen-address=127.0.0.12", "--user=root", "--pid-file", f"--cache-size={2 * NAMES}"]
    process = subprocess.Popen([*inside, "dnsmasq", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        _until_bound(inside)
        yield Server(inside, "127.0.0.12", _descendants(process.pid))
    finally:
        for pid in reversed(_descendants(process.pid)):
            os.kill(pid, 15)
        process.wait(10)


def _until_bound(inside: Sequence[str]) -> None:
    bound = "until grep -q ': 0C00007F:0035' /proc/net/udp; do sleep 0.05; done"
    subprocess.run([*inside, "timeout", "10", "sh", "-c", bound], check=True, timeout=20)


def _descendants(pid: int) -> list[int]:
    """The process and all that came of it, as far as it lives."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        found += [int(child) for child in children.read_text().split()] if children.exists() else []
    return found


def _processor_time(pid: int) -> float:
    """Seconds in user and system mode, 0 for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK
