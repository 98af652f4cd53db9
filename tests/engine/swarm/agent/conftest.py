"""A node of its own for each test that asks for one, in a namespace of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fairlead.effects.kernel import netns
from fairlead.effects.oci.mount import detach
from fairlead.lab import cgroups
from tests.effects.kernel.conftest import run
from tests.engine.swarm.agent.member import Member
from tests.support.machines import missing_requirements
from tests.support.spaces import host_namespace


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[Path]:
    """The thread of the test, and every thread and process it starts, lives in a fresh network namespace."""
    if missing := missing_requirements():
        pytest.skip(missing)
    try:
        with host_namespace():
            run("ip", "link", "set", "lo", "up")
            yield tmp_path
    finally:
        _leave_nothing(tmp_path)


@pytest.fixture
async def member(own_host: Path) -> AsyncIterator[Member]:
    made = Member(own_host)
    await made.start()
    try:
        await made.provide()
        yield made
    finally:
        await made.close()


def _leave_nothing(root: Path) -> None:
    """Whatever a test has left that could not start its node again: monitors with their containers, mounts."""
    for monitor in _monitors(root):
        for pid in (*_children(monitor), monitor):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{root}/data/"):
            detach(Path(line.split()[1]))
    names = root / "exec" / "netns"
    if names.is_dir():
        for path in names.iterdir():
            netns.forget_namespace(path)
        netns.unmount(names)
    cgroups.remove_of(root)


def _monitors(root: Path) -> list[int]:
    """The conmons that keep a bundle below `root`."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [pid for pid in pids if f"{root}/".encode() in _read(pid, "cmdline")]


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
