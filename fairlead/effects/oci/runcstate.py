"""runc's state directory, for the two commands that are worth doing without a process.

`runc start` and `runc delete` take 4 and 6 ms, nearly all of it the start of a Go program, in a `docker run -d` of 50
and a `docker rm -f` of 17. What they do is small and has not changed since runc 1.0:

    start     the container's init waits in open(2) of the fifo `exec.fifo`: reading it lets init go on
    delete    the container's cgroups (named in `state.json`) are removed, then the directory

Whenever something is not as expected these functions say so and the caller runs runc itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.effects.oci.cgroup import remove_tree
from fairlead.effects.oci.process import read_some, readable

FIFO, STATE = "exec.fifo", "state.json"
INIT = "runc:["
"""How the name of runc's own process begins, before it becomes the container's first."""
MOMENT, MOMENTS = 0.0005, 1000
PATIENCE = 2.0
"""Seconds that init may take to reach its fifo after `runc create` has returned, and to leave it."""


class _State(msgspec.Struct):
    cgroup_paths: dict[str, str] = {}


def waits(state: Path, pid: int) -> bool:
    """Whether the container's first process still has to be let go.

    The fifo alone does not tell: whoever let it go may have died before removing it, and `runc start` would then wait
    for a writer that never comes. So a fifo without its writer is removed here.
    """
    if not (state / FIFO).exists():
        return False
    waiting = _is_init(pid)
    if not waiting:
        (state / FIFO).unlink(missing_ok=True)
    return waiting


def _is_init(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith(INIT)
    except OSError:
        return False


async def release(state: Path, pid: int) -> bool:
    """Let a created container's first process go; False when it does not wait at its fifo.

    Returns when it has become what was asked for: until then it shows itself as init to `docker top`, and dies of
    signals that the container's own process would ignore.
    """
    try:
        fifo = os.open(state / FIFO, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            await readable(fifo)
        if os.read(fifo, 1) != b"0":
            return False
        (state / FIFO).unlink(missing_ok=True)
        await _gone(fifo, pid)
    except (TimeoutError, BlockingIOError):
        return False
    finally:
        os.close(fifo)
    return True


async def _gone(fifo: int, pid: int) -> None:
    """The kernel closes init's end of the fifo when it begins to make something else of it, which takes a moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await read_some(fifo)
    for _ in range(MOMENTS):
        if not _is_init(pid):
            return
        await asyncio.sleep(MOMENT)


def forget(state: Path) -> bool:
    """Remove an ended container's cgroups and state; False when a cgroup still has processes. Blocks."""
    try:
        paths = msgspec.json.decode((state / STATE).read_bytes(), type=_State).cgroup_paths
        removed = [remove_tree(Path(path)) for path in paths.values()]
    except (OSError, msgspec.DecodeError):
        return False
    if not all(removed):
        return False
    shutil.rmtree(state, ignore_errors=True)
    return True
