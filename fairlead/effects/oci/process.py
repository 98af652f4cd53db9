"""Child processes without helper threads: a pidfd on the event loop tells when one ends.

asyncio's own child watcher (Python 3.11) starts a thread per child; at a container's pace that is
the larger part of the cost. Here a process is started with `vfork` semantics by `subprocess`, and
its pidfd becomes readable when it ends (pidfd_open(2)). The same way serves processes that are
not our children by birth: conmon forks away, and processes started by `runc exec --detach` lose
their parent. `adopt_orphans` makes this process the one they fall to (PR_SET_CHILD_SUBREAPER,
prctl(2)), so that their exit status is ours to collect.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
NO_STATUS = -1
"""The status of a process whose end somebody else collected."""

Redirect = int | None


@dataclass(frozen=True, slots=True)
class Stdio:
    """File descriptors for a child; None is /dev/null."""

    stdin: Redirect = None
    stdout: Redirect = None
    stderr: Redirect = None


QUIET = Stdio()


@dataclass(frozen=True, slots=True)
class Completed:
    """`status` is the exit code, or 128 + the signal that ended it."""

    status: int
    stdout: bytes
    stderr: bytes


def adopt_orphans() -> None:
    """Descendants that lose their parent become children of this process instead of init's."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdio: Stdio = QUIET,
    pass_fds: Sequence[int] = (),
    folder: Path | None = None,
) -> int:
    """Start a process in a session of its own and return its pid. The caller must collect it (`Exit`)."""
    process = subprocess.Popen(
        argv,
        env=env,
        stdin=_or_null(stdio.stdin),
        stdout=_or_null(stdio.stdout),
        stderr=_or_null(stdio.stderr),
        pass_fds=pass_fds,
        cwd=folder,
        start_new_session=True,
    )
    process.returncode = 0  # collected through its pidfd: keeps Popen from waiting for it too
    return process.pid


def _or_null(descriptor: Redirect) -> int:
    return subprocess.DEVNULL if descriptor is None else descriptor


class Exit:
    """The end of one process, awaited through its pidfd. One of ours is collected then, whoever still asks.

    `on_exit(status)` is called once, on the loop. Raises ProcessLookupError if there is no such process.
    """

    def __init__(self, pid: int, on_exit: Callable[[int], None] | None = None) -> None:
        self.pid = pid
        self.status: int | None = None
        self._on_exit = on_exit
        self._pidfd = os.pidfd_open(pid)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pidfd, self._ended)

    def report(self, on_exit: Callable[[int], None]) -> None:
        """Call this one, also if the process has ended by now."""
        self._on_exit = on_exit
        if self.status is not None:
            self._loop.call_soon(on_exit, self.status)

    def ignore(self) -> None:
        """Look away: its end will not be reported."""
        self._on_exit = None

    def close(self) -> None:
        """Let go of it: the process goes on, and whoever is its parent by then collects it."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def send(self, signal_number: int) -> None:
        """Signal exactly this process. Raises ProcessLookupError when it has ended."""
        if self._pidfd < 0:
            raise ProcessLookupError(self.pid)
        signal.pidfd_send_signal(self._pidfd, signal_number)

    def _ended(self) -> None:
        self.status = collect(self._pidfd)
        self.close()
        if self._on_exit is not None:
            self._on_exit(self.status)


def collect(pidfd: int) -> int:
    """Reap an ended process if it is ours; its exit code or 128 + signal, else `NO_STATUS`."""
    try:
        info = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return NO_STATUS
    if info is None:
        return NO_STATUS
    return info.si_status if info.si_code == os.CLD_EXITED else 128 + info.si_status


def collect_in_time(pid: int) -> None:
    """Collect a process when it ends if it is a child of ours and nobody waits for it."""
    with suppress(OSError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        Exit(pid)


def follow_orphans(parent: int, prefix: str) -> None:
    """Collect, when they end, the children of ours that an ended `parent` left: those still in the session that it was
    spawned with, and those, in sessions of their own by now, whose names begin so. One that is not collected keeps
    its container from ending: a PID namespace goes when all that was in it was waited for."""
    for pid in _children():
        with suppress(OSError):
            left = os.getsid(pid) == parent or Path(f"/proc/{pid}/comm").read_text().startswith(prefix)
            if left and pid not in _followed:
                _followed.add(pid)
                Exit(pid, partial(_look_again, pid, parent, prefix))


_followed: set[int] = set()


def _look_again(pid: int, parent: int, prefix: str, status: int) -> None:
    """What it had begun in turn is a child of ours only since it ended."""
    _followed.discard(pid)
    follow_orphans(parent, prefix)


def _children() -> Iterator[int]:
    """Every process is looked at: /proc/PID/task/TID/children leaves some out while others end (proc(5))."""
    own = os.getpid()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                if int(Path(f"/proc/{entry.name}/stat").read_text().rpartition(")")[2].split()[1]) == own:
                    yield int(entry.name)


async def ended(pid: int) -> int:
    """Wait until a process has ended and return its status. It is collected also when nobody waits any more."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def settle(status: int) -> None:
        if not future.done():
            future.set_result(status)

    Exit(pid, settle)
    return await future


async def run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> Completed:
    """Run a short command to its end with its output collected."""
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    in_read = _filled_pipe(stdin) if stdin else None
    try:
        pid = spawn(argv, env, Stdio(in_read, out_write, err_write))
    finally:
        for descriptor in (out_write, err_write, in_read):
            if descriptor is not None:
                os.close(descriptor)
    stdout, stderr, status = await asyncio.gather(read_all(out_read), read_all(err_read), ended(pid))
    return Completed(status, stdout, stderr)


def _filled_pipe(data: bytes) -> int:
    """A pipe to read `data` from; it must fit the pipe's buffer (64 KiB), which our documents do."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(write_end, False)
    try:
        os.write(write_end, data)
    finally:
        os.close(write_end)
    return read_end


async def read_all(descriptor: int) -> bytes:
    """Everything from a pipe until its end; closes it."""
    chunks: list[bytes] = []
    try:
        while chunk := await read_some(descriptor):
            chunks.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(chunks)


async def read_some(descriptor: int, size: int = 65536) -> bytes:
    """The next bytes of a pipe or terminal without blocking the loop; b"" at its end (EIO: the terminal hung up)."""
    os.set_blocking(descriptor, False)
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            await readable(descriptor)
        except OSError:
            return b""


async def write_all(descriptor: int, data: bytes) -> None:
    """Write without blocking the loop. Raises BrokenPipeError when nobody reads any more."""
    os.set_blocking(descriptor, False)
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await _ready(descriptor, write=True)


async def readable(descriptor: int) -> None:
    """Wait until there is something to read, or the other end has gone."""
    await _ready(descriptor, write=False)


async def _ready(descriptor: int, write: bool) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)

    def settle() -> None:
        if not future.done():
            future.set_result(None)

    add(descriptor, settle)
    try:
        await future
    finally:
        remove(descriptor)
