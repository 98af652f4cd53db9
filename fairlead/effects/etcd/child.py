"""The etcd process: a child of the daemon that dies with it, started again when it ends by itself.

The kernel kills it when the daemon's main thread ends (`setpriv --pdeathsig`, prctl(2)): a manager that was killed
must not go on voting behind the back of the one that starts in its place, and whose data it holds.

While nothing happens etcd wakes up thirty times a second for timers of its own, and Go's runtime another two hundred
times to look whether there is something to do. The slack that its timers are given lets the kernel serve many of them
with one waking: half of an idle member's processor time. What comes in by a socket is not delayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from fairlead.effects.etcd.flags import SOCKET, environment
from fairlead.effects.oci import process

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
STEADY = 30.0
"""Seconds of life after which an end counts as the first one again."""
STOPPING = 5.0
KEPT_LINES = 8
SLACK = 10_000_000
"""Nanoseconds by which its timers may be late: little beside a heartbeat."""
_PR_SET_TIMERSLACK = 29
REMOVED = ("member has been permanently removed", "has been removed from the cluster")
"""What a member says that was put out. Others say of it that they reject a message from a removed member."""

_log = logging.getLogger("fairlead.swarm.etcd")


class Child:
    """`command(first)` gives argv; `folder` is the working directory, in which etcd makes its client socket. `listen`
    gets each line of its log."""

    def __init__(
        self, command: Callable[[bool], Sequence[str]], folder: Path, listen: Callable[[str], None] = lambda words: None
    ) -> None:
        self._command, self._folder, self._listen = command, folder, listen
        self._exit: process.Exit | None = None
        self._gone = asyncio.Event()
        self._gone.set()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._restart: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pause = FIRST_PAUSE
        self._since = 0.0
        self._wanted = False
        self.removed = False
        self.ends = 0

    @property
    def pid(self) -> int | None:
        return self._exit.pid if self._exit is not None else None

    @property
    def last_words(self) -> str:
        """The last lines of its log that tell of trouble."""
        return "; ".join(self._lines)

    def start(self) -> None:
        self._wanted = True
        self._spawn(first=True)

    async def stop(self, patience: float = STOPPING) -> None:
        """End it, for `patience` seconds gently: a leader hands over."""
        self._wanted = False
        if self._restart is not None:
            self._restart.cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._gone.wait()
                    break
        if self._reader is not None:
            self._reader.cancel()

    async def again(self) -> None:
        """Restart it, for settings that it reads only at its start."""
        await self.stop()
        self._wanted = True
        self._spawn(first=False)

    def _signal(self, number: int) -> None:
        if self._exit is not None:
            with contextlib.suppress(ProcessLookupError):
                self._exit.send(number)

    def _spawn(self, *, first: bool = False) -> None:
        argv = ("setpriv", "--pdeathsig", "KILL", "--", *self._command(first))
        self._lines.clear()
        # A killed etcd leaves its socket, and would not start again where one is.
        (self._folder / SOCKET).unlink(missing_ok=True)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            with _leisurely():
                pid = process.spawn(argv, environment(os.environ), process.Stdio(stderr=write_end), folder=self._folder)
        except OSError as error:
            os.close(read_end)
            self._lines.append(f"setpriv cannot be started: {error.strerror}")
            return
        finally:
            os.close(write_end)
        loop = asyncio.get_running_loop()
        self._gone.clear()
        self._since = loop.time()
        self._exit = process.Exit(pid, self._ended)
        self._reader = loop.create_task(self._read(read_end))

    def _ended(self, status: int) -> None:
        self._exit = None
        self.ends += 1
        self._gone.set()
        if not self._wanted or self.removed:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._since > STEADY:
            self._pause = FIRST_PAUSE
        _log.warning("the consensus member ended, starting it again: %s", self.last_words, extra={"status": status})
        self._restart = loop.call_later(self._pause, self._spawn)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _read(self, descriptor: int) -> None:
        """Its log, until it ends."""
        rest = b""
        try:
            while data := await process.read_some(descriptor):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._heard(line)
        finally:
            os.close(descriptor)

    def _heard(self, line: bytes) -> None:
        level, text = _words(line)
        if not text:
            return
        _log.debug("etcd: %s", text)
        self._listen(text)
        if level != "info":
            self._lines.append(text)
        if any(part in text for part in REMOVED):
            self.removed = True


@contextlib.contextmanager
def _leisurely() -> Iterator[None]:
    """A process that is started herein inherits the slack of this thread's timers (prctl(2)): no other way gives it to
    all threads of a program."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_TIMERSLACK, SLACK, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, 0, 0, 0, 0)  # back to the thread's own


def _words(line: bytes) -> tuple[str, str]:
    """Level, and message and error, of a line of zap's JSON log; other lines as they are, without a level."""
    try:
        fields = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return "", line.decode(errors="replace").strip()
    if not isinstance(fields, dict):
        return "", str(fields)
    return str(fields.get("level", "")), ": ".join(str(fields[name]) for name in ("msg", "error") if fields.get(name))
