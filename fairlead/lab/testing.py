"""Labs in tests: made under a name of their own, removed whatever happens, and evidence left of a failure.

async def test_a_cut_heals():
    with laboratory(simple(["a", "b"]), evidence=Path("evidence")) as lab:
        a, b = lab.hosts("a", "b")
        a.docker("run -d -p 80:80 --name web nginx")
        await eventually(lambda: "Welcome" in b.fetch(f"http://{a.address}"))
        lab.cut(a, b)
        ...

`fixtures` makes a pytest fixture of it, which keeps evidence of tests that fail: a fixture itself is not told.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from fairlead.lab.topology import Topology
from fairlead.model.errors import Failed

_serial = count(1)
_SIGHTS = (
    ("links", "ip -d link; ip addr; ip route; ip -6 route; bridge fdb; ip neigh"),
    ("rules", "nft list ruleset"),
    ("docker", "docker ps -a; docker network ls; docker events --since 10m --until 0s"),
)


@contextmanager
def laboratory(topology: Topology, flags: Sequence[str] = (), evidence: Path | None = None) -> Iterator[Laboratory]:
    """A lab that no other test, process or checkout shares; when the body fails, its state is kept in `evidence`."""
    with Laboratory.up(f"t{os.getpid()}-{next(_serial)}", topology, flags) as lab:
        try:
            yield lab
        except BaseException:
            if evidence is not None:
                keep_evidence(lab, evidence / lab.name)
            raise


def keep_evidence(lab: Laboratory, folder: Path) -> None:
    """A transcript, a drawing, and every host's links, routes, rules and daemon log, for whoever reads the failure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transcript.txt").write_text(str(lab.transcript))
    for form, ending in (("text", "txt"), ("svg", "svg")):
        (folder / f"topology.{ending}").write_text(lab.draw(form))
    for host in lab.hosts():
        if host.node.alive:
            _look_at(host, folder)


def _look_at(host: Machine, folder: Path) -> None:
    for title, command in _SIGHTS if host.has_daemon else _SIGHTS[:2]:
        said = host.sh(f"timeout 10 sh -c '{command}'", check=False)
        (folder / f"{host.name}-{title}.txt").write_text(said.stdout + said.stderr)
    if host.log.exists():
        shutil.copy(host.log, folder / f"{host.name}-daemon.log")


def wait_for(condition: Callable[[], object], seconds: float = 10, what: str = "") -> None:
    """Return once the condition holds; fail after `seconds`."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.02)


async def eventually(condition: Callable[[], Awaitable[object] | object], within: float = 10) -> None:
    """The same without holding up the loop; a condition that raises `Failed` does not hold yet."""
    deadline = time.monotonic() + within * PATIENCE
    while not await _holds(condition):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within * PATIENCE:g} s")
        await asyncio.sleep(0.02)


async def _holds(condition: Callable[[], Awaitable[object] | object]) -> bool:
    try:
        if inspect.iscoroutinefunction(condition):
            return bool(await condition())
        found = await asyncio.to_thread(condition)
        return bool(await found if inspect.isawaitable(found) else found)
    except Failed:
        return False
