"""The hands on the kernel beside the floor: `python -m bench.rows_kernel`. No daemon takes part.

Both work in one fresh namespace, in turn, so they meet the same noise and the same kernel lock.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_interface
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.figures import Figure, show
from bench.floor import Floor
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.pool import NamespacePool
from fairlead.model.plan import AddAddress, AddBridge, AddRoute, AddVeth, ChangeRules, DelLink, Operation, Plan, SetLink
from fairlead.model.ruleset import Element, Set, Table, Transaction

_NETWORKS = 20
SIZES = (10, 1_000, 10_000)
_PORTS = Set("ports", ("ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service"))
_TABLE = Table("inet", "bench", (_PORTS,))
_ANY, _GATEWAY = ip_address("0.0.0.0"), ip_interface("10.78.0.1/16")


class _Hands:
    """Fairlead's side: the same network, through plans."""

    def __init__(self, kernel: LinuxKernel) -> None:
        self._kernel = kernel

    async def create(self, name: str) -> None:
        await self._do(AddBridge(name, alias="bench"), AddAddress(name, _GATEWAY))

    async def connect(self, name: str, number: int, inside: str) -> None:
        address = ip_interface(f"10.78.{number >> 8}.{number & 255}/16")
        mac = f"02:42:0a:4e:{number >> 8:02x}:{number & 255:02x}"
        await self._do(
            AddVeth(name, "eth0", inside, mac, "ours0", alias="bench:endpoint"),
            AddAddress("eth0", address, inside),
            SetLink("eth0", inside, up=True),
            AddRoute(None, "eth0", _GATEWAY.ip, inside),
            _rules(add=(_published(number),)),
        )

    async def disconnect(self, name: str, number: int) -> None:
        await self._do(_rules(remove=(_published(number),)), DelLink(name, deferred=True))

    async def fill(self, size: int) -> None:
        elements = tuple(Element("ports", (_ANY, 17, port), (_GATEWAY.ip, 80)) for port in range(size))
        await self._do(ChangeRules(Transaction("inet", "bench", replace=_TABLE, add=elements)))

    async def publish(self, port: int) -> None:
        await self._do(_rules(add=(_published(port),)))

    async def _do(self, *operations: Operation) -> None:
        await self._kernel.apply(Plan(operations))


def _rules(add: tuple[Element, ...] = (), remove: tuple[Element, ...] = ()) -> ChangeRules:
    return ChangeRules(Transaction("inet", "bench", add=add, remove=remove))


def _published(port: int) -> Element:
    return Element("ports", (_ANY, 6, port), (_GATEWAY.ip, 80), "bench")


async def measure(rounds: int) -> list[Figure]:
    """Figures of creating, connecting, disconnecting and publishing; the peer is the floor."""
    kernel, floor = LinuxKernel("bench"), Floor()
    await kernel.start()
    try:
        hands = _Hands(kernel)
        await hands.fill(0)
        floor.table()
        with TemporaryDirectory() as directory:
            pool = NamespacePool(Path(directory) / "netns", size=2)
            await pool.start()
            try:
                figures = await _endpoints(hands, floor, pool, rounds)
            finally:
                for path in await pool.existing():
                    await pool.release(path)
                await pool.close()
        return figures + await _published_ports(hands, floor, rounds)
    finally:
        floor.close()
        await kernel.close()


async def _endpoints(hands: _Hands, floor: Floor, pool: NamespacePool, rounds: int) -> list[Figure]:
    taken: dict[str, tuple[list[float], list[float]]] = {}

    async def pair(row: str, ours: Awaitable[None], theirs: Callable[[], None]) -> None:
        samples = taken.setdefault(row, ([], []))
        samples[0].append(await _timed(ours))
        samples[1].append(_timed_now(theirs))

    for number in reversed(range(_NETWORKS)):
        await pair("create", hands.create(f"ours{number}"), lambda: floor.create(f"floor{number}"))  # noqa: B023
    for number in range(2, rounds + 2):
        inside, bare = await pool.take(f"{number:064x}"[::-1], False), floor.namespace()
        ours, theirs = f"veth-ours{number}", f"veth-floor{number}"
        await pair("connect", hands.connect(ours, number, inside), lambda: floor.connect(theirs, number, bare))  # noqa: B023
        await pair("disconnect", hands.disconnect(ours, number), lambda: floor.disconnect(theirs, number))  # noqa: B023
        await pool.release(inside)
        os.close(bare)
    floor.reap()
    return [_figure(f"kernel: {row}", samples, 2.0 if row == "connect" else None) for row, samples in taken.items()]


async def _published_ports(hands: _Hands, floor: Floor, rounds: int) -> list[Figure]:
    """One more element at several sizes. The last row compares the largest with the smallest."""
    figures: list[Figure] = []
    medians: list[float] = []
    for size in SIZES:
        await hands.fill(size)
        samples: tuple[list[float], list[float]] = ([], [])
        for port in range(rounds):
            samples[0].append(await _timed(hands.publish(port)))
            samples[1].append(_timed_now(lambda: floor.publish(20_000 + size + port, b"\n\0\0\2")))  # noqa: B023
        figures.append(_figure(f"kernel: one more port beside {size:,}", samples, None))
        medians.append(figures[-1].ours)
    note = f"base: beside {SIZES[0]}"
    return [*figures, Figure(f"kernel: beside {SIZES[-1]:,}", medians[-1], medians[0], "us", 1.5, False, note)]


def _figure(row: str, samples: tuple[Sequence[float], Sequence[float]], goal: float | None) -> Figure:
    ours, floor = ([1e6 * value for value in values] for values in samples)
    raw = {"ours": ours, "floor": floor}
    return Figure(row, statistics.median(ours), statistics.median(floor), "us", goal, False, "base: the floor", raw)


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _timed_now(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@click.command()
@click.option("--rounds", default=100, show_default=True)
def main(rounds: int) -> None:
    descriptor = netns.make_namespace()
    try:
        with netns.entered_descriptor(descriptor):
            show(asyncio.run(measure(rounds)))
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
