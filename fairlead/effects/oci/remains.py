"""What may be left of a container without a word about it anywhere.

Whoever is killed while the OCI runtime makes a container leaves the runtime at work: conmon and its `runc create` share
a process group, and `runc init`, which leaves that group, waits for ever in the container's cgroup.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.effects.oci import cgroup
from fairlead.effects.oci.process import ended

INTERVAL, ROUNDS = 0.01, 500
"""Between two looks at processes that were killed; uninterruptible ones are given 5 s."""


class _Linux(msgspec.Struct):
    path: str = msgspec.field(default="", name="cgroupsPath")


class _Spec(msgspec.Struct):
    linux: _Linux = msgspec.field(default_factory=_Linux)


def cgroup_in(config: Path) -> str:
    """The cgroup that a bundle's spec names; "" when there is no such file, or not yet a whole one."""
    try:
        return msgspec.json.decode(config.read_bytes(), type=_Spec).linux.path
    except (OSError, msgspec.DecodeError):
        return ""


async def end_group(leader: int) -> None:
    """Kill a process group, wait until its leader is gone, and collect those of it that are ours."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
        await ended(leader)
    await asyncio.to_thread(_collect_group, leader)


def _collect_group(leader: int) -> None:
    with suppress(ChildProcessError):
        while True:
            os.waitid(os.P_PGID, leader, os.WEXITED)


async def end_cgroup(path: str) -> None:
    """Kill whatever is in a cgroup and remove it; one that is not there is fine, and so is no name."""
    if not path.strip("/"):
        return  # the root, in which everybody is
    killed: set[int] = set()
    for _ in range(ROUNDS):
        left = set(cgroup.pids(path)) - {0}
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # A cgroup forgets a process as soon as it has died, before whoever is its parent has collected it.
        killed = {pid for pid in killed | left if not _collected(pid)}
        if not left and not killed and cgroup.remove(path):
            return
        await asyncio.sleep(INTERVAL)


def _collected(pid: int) -> bool:
    """Collect a killed child of ours; False while it dies. Those of others are theirs."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None
    except ChildProcessError:
        return True
