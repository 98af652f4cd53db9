"""Hosts for tests: one machine behind a router to an outside, or several, removed whatever happens.

outside (192.168.50.1, 203.0.113.80: names and web)
    │
── lan 192.168.50.0/24 ──┬── host1 (192.168.50.11, Fairlead)
                         └── host2 (192.168.50.12, Fairlead) ...
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.node import PATIENCE
from fairlead.lab.topology import Topology, simple

_serial = count(1)
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


def missing_requirements() -> str:
    """Why labs cannot run here, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in ("docker", "tini", "nft", "conmon", "runc", "dnsmasq") if shutil.which(tool) is None]
    return f"needs {', '.join(absent)}" if absent else ""


@contextmanager
def laboratory(topology: Topology, flags: Sequence[str] = ()) -> Iterator[Laboratory]:
    """A lab of a name of its own; when the body fails it leaves its state in test-artifacts/."""
    name = f"t{os.getpid()}-{next(_serial)}"
    with Laboratory.up(name, topology, flags) as lab:
        try:
            yield lab
        except BaseException:
            keep_evidence(lab)
            raise


@contextmanager
def machine(*flags: str) -> Iterator[Machine]:
    """One host with a daemon."""
    with laboratory(simple(["host1"]), flags) as lab:
        yield lab.host("host1")


def keep_evidence(lab: Laboratory) -> None:
    """Links, routes, rules, daemon logs and a drawing of every host, for whoever reads the failure."""
    from fairlead.lab.draw import draw

    folder = ARTIFACTS / lab.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "topology.txt").write_text(draw(lab.topology))
    for host in lab.hosts():
        if not host.node.alive:
            continue
        for title, command in (
            ("links", "ip -d link; ip addr; ip route; ip -6 route; bridge fdb; ip neigh"),
            ("rules", "nft list ruleset"),
            ("docker", "docker ps -a; docker network ls; docker events --since 10m --until 0s"),
        ):
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


async def eventually(condition: Callable[[], Awaitable[object]], within: float = 10) -> None:
    """The same for asynchronous conditions."""
    import asyncio

    deadline = time.monotonic() + within
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s")
        await asyncio.sleep(0.02)


def docker(machine: Machine, line: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """`docker <line>` with its exit code and both outputs, for tests of refusals."""
    return machine.sh(f"docker {line}", check=False, timeout=timeout)
