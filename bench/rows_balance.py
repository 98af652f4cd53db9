"""Virtual addresses: what a new connection costs through one with 2, 50 and 500 backends, against the same connection
without, and what one backend more or less costs: `python -m bench balance`. No daemon takes part.

All backends are addresses of one server, and both ends share a processor, so that a round trip is work and no waiting.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

from bench.figures import Figure
from fairlead.core.balance.service import Backend, Turnover, VirtualService
from fairlead.core.balance.virtual import Services, sandbox_table
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.netlink import NETFILTER, Channel
from fairlead.effects.kernel.nft import Nftables
from fairlead.model.network import Address
from fairlead.model.ruleset import Transaction

COUNTS = (2, 50, 500)
PORT, CONNECTIONS = 80, 600
_BACKENDS = tuple(IPv4Address("10.9.1.1") + number for number in range(max(COUNTS)))
_VIPS = {count: IPv4Address("10.9.200.0") + number for number, count in enumerate(COUNTS, start=1)}
_SERVER, _PLAIN = IPv4Address("10.9.0.3"), IPv4Address("10.8.0.3")


@dataclass
class _Wire:
    """A client with virtual addresses, one without any table, and their server: namespaces by descriptor."""

    client: int
    plain: int
    tables: Nftables

    def connect(self, descriptor: int, address: IPv4Address) -> float:
        """Microseconds of a connection from its begin to its end, one in ten being quicker."""
        taken = []
        for _ in range(CONNECTIONS):
            with netns.entered_descriptor(descriptor):
                made = socket.socket()
            with made:
                began = time.perf_counter()
                made.connect((str(address), PORT))
                made.recv(1)
            taken.append(time.perf_counter() - began)
        return 1e6 * sorted(taken)[CONNECTIONS // 10]


def measure(rounds: int) -> list[Figure]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with _wire() as wire:
            services = _fill(wire)
            return [*_connections(wire, rounds), *_changes(wire, services, rounds)]
    finally:
        os.sched_setaffinity(0, before)


def _connections(wire: _Wire, rounds: int) -> Iterator[Figure]:
    ways: dict[str, Callable[[], float]] = {"untracked": lambda: wire.connect(wire.plain, _PLAIN)}
    ways["direct"] = lambda: wire.connect(wire.client, _SERVER)
    for count, vip in _VIPS.items():
        ways[str(count)] = lambda vip=vip: wire.connect(wire.client, vip)  # type: ignore[misc]
    samples = [{name: way() for name, way in ways.items()} for _ in range(rounds + 1)][1:]
    best = {name: statistics.median(sample[name] for sample in samples) for name in ways}
    yield Figure("VIP: connect, 2 backends", best["2"], best["untracked"], "us", 1.35, False, "base: direct, untracked")
    yield Figure("VIP: connect, 2 backends", best["2"], best["direct"], "us", 1.15, False, "base: direct, tracked")
    for count in COUNTS[1:]:
        row = f"VIP: connect, {count} backends"
        yield Figure(row, best[str(count)], best["2"], "us", 1.1, False, "base: 2 backends")


def _changes(wire: _Wire, services: Services, rounds: int) -> Iterator[Figure]:
    """One backend goes and comes: deciding (once on a node) and writing (in each sandbox)."""
    decided: dict[int, list[float]] = {count: [] for count in COUNTS}
    written: dict[int, list[float]] = {count: [] for count in COUNTS}
    for number in range(2 * rounds):
        for count, vip in _VIPS.items():
            address = _BACKENDS[count - 1]
            began = time.perf_counter()
            change = services.change({vip: Turnover({address: Backend(address, number % 2)})}).transaction(phase=0)
            decided[count].append(time.perf_counter() - began)
            wire.tables.commit(change)
            written[count].append(time.perf_counter() - began - decided[count][-1])
    for what, taken in (("decide", decided), ("write", written)):
        some, many = (1e3 * statistics.median(taken[count]) for count in COUNTS[1:])
        row = f"VIP: one backend of {COUNTS[2]}, {what}"
        yield Figure(row, many, some, goal=2.0, note=f"base: of {COUNTS[1]}")


def _fill(wire: _Wire) -> Services:
    told: dict[Address, VirtualService | Turnover[Backend] | None] = {
        vip: VirtualService(vip, tuple(map(Backend, _BACKENDS[:count]))) for count, vip in _VIPS.items()
    }
    services = Services()
    services.change(told)
    table = sandbox_table()
    whole = Transaction(table.family, table.name, replace=table, add=tuple(services.elements()))
    wire.tables.commit(whole)
    return services


@contextmanager
def _wire() -> Iterator[_Wire]:
    client, plain, server = (netns.make_namespace() for _ in range(3))
    with netns.entered_descriptor(client):
        channel = Channel(NETFILTER)
    serving = 0
    try:
        addresses = " ".join(f"ip address add {address}/16 dev s0;" for address in (_SERVER, *_BACKENDS))
        _do(client, f"ip link add c0 type veth peer s0 netns {_path(server)}; ip address add 10.9.0.2/16 dev c0")
        _do(plain, f"ip link add c0 type veth peer s1 netns {_path(server)}; ip address add 10.8.0.2/16 dev c0")
        _do(server, f"{addresses} ip address add {_PLAIN}/16 dev s1; ip link set s0 up; ip link set s1 up")
        for end in (client, plain):
            _do(end, "ip link set lo up; ip link set c0 up")
        serving = _serve(server)
        yield _Wire(client, plain, Nftables(channel))
    finally:
        if serving:
            os.kill(serving, signal.SIGKILL)
            os.waitpid(serving, 0)
        channel.close()
        for descriptor in (client, plain, server):
            os.close(descriptor)


def _path(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _do(descriptor: int, script: str) -> None:
    subprocess.run(["nsenter", f"--net={_path(descriptor)}", "sh", "-ec", script], check=True)


def _serve(descriptor: int) -> int:
    """A process that accepts and closes, listening when this returns."""
    with netns.entered_descriptor(descriptor):
        listening = socket.create_server(("0.0.0.0", PORT), backlog=4096)
    child = os.fork()
    if child:
        listening.close()
        return child
    while True:
        listening.accept()[0].close()
