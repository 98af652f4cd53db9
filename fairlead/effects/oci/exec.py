"""Further processes in a running container, by `runc exec --detach`.

runc sets the process up and goes away; the process falls to this daemon (see `process.adopt_orphans`),
which holds its pipes or the master of its terminal directly. So an exec costs no helper process.
With a terminal, runc hands the master over a unix socket (SCM_RIGHTS), which it finds in its working directory: the
path of a socket may not be longer than 107 bytes.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from fairlead.effects.oci.process import Exit, Stdio, ended, follow_orphans, read_some, spawn, write_all
from fairlead.model.errors import RuntimeRefused
from fairlead.model.runtime import STDERR, STDOUT

Json = dict[str, object]
ORPHANS = "runc:["
"""How runc calls itself inside a container, until it has become the process that was asked for."""


class ExecProcess:
    """A process started by exec, with its stdio.

    `outputs` maps stream numbers to descriptors to read; with a terminal there is one, which is also the input.
    """

    def __init__(self, pid: int, stdin: int | None, outputs: dict[int, int], terminal: bool) -> None:
        self.pid = pid
        self._stdin = stdin
        self._outputs = outputs
        self._terminal = terminal
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._exit = Exit(pid, self._ended)

    def _ended(self, status: int) -> None:
        if not self._status.done():
            self._status.set_result(status)

    async def wait(self) -> int:
        """The exit code (128 + signal for a killed one)."""
        return await asyncio.shield(self._status)

    @property
    def streams(self) -> Sequence[int]:
        return tuple(self._outputs)

    async def read(self, stream: int) -> bytes:
        """The next output of a stream; b"" at its end."""
        descriptor = self._outputs.get(stream)
        return b"" if descriptor is None else await read_some(descriptor)

    async def write(self, data: bytes) -> None:
        """Send stdin. Raises ConnectionError (BrokenPipeError) when nobody reads it."""
        if self._stdin is not None:
            try:
                await write_all(self._stdin, data)
            except BrokenPipeError:
                raise
            except OSError as error:  # EIO: the terminal has no process any more
                raise BrokenPipeError(str(error)) from error

    async def close_stdin(self) -> None:
        """End of input; a terminal has none (the user types it)."""
        if self._stdin is not None and not self._terminal:
            os.close(self._stdin)
            self._stdin = None

    def resize(self, height: int, width: int) -> None:
        if self._terminal and self._stdin is not None:
            set_size(self._stdin, height, width)

    def kill(self, signal_number: int) -> None:
        self._exit.send(signal_number)

    def close(self) -> None:
        """Let go of the stdio; the process itself goes on and its end is still reported."""
        descriptors = set(self._outputs.values()) | ({self._stdin} if self._stdin is not None else set())
        self._outputs, self._stdin = {}, None
        for descriptor in descriptors:
            os.close(descriptor)


def set_size(terminal: int, height: int, width: int) -> None:
    """tty_ioctl(4) TIOCSWINSZ."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


class ExecCommand:
    """One `runc exec`: where its files lie and how it is called."""

    def __init__(self, runtime: Sequence[str], folder: Path, container_id: str, env: dict[str, str]) -> None:
        self._runtime = runtime
        self._folder = folder
        self._container_id = container_id
        self._env = env

    def _argv(self, *options: str) -> list[str]:
        folder = self._folder
        return [
            self._runtime[0],
            f"--log={folder}/runc.log",
            "--log-format=json",
            *self._runtime[1:],
            "exec",
            "--detach",
            f"--process={folder}/process.json",
            f"--pid-file={folder}/pid",
            *options,
            self._container_id,
        ]

    async def start(self, process: Json, wants: tuple[bool, bool, bool]) -> ExecProcess:
        """Start; `wants` says which of stdin, stdout and stderr somebody is attached to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "process.json").write_bytes(msgspec.json.encode(process))
        return await (self._with_terminal() if process["terminal"] else self._with_pipes(wants))

    async def _with_pipes(self, wants: tuple[bool, bool, bool]) -> ExecProcess:
        pipes = [os.pipe2(os.O_CLOEXEC) if wanted else None for wanted in wants]
        theirs = Stdio(*(_end(pipe, 0 if index == 0 else 1) for index, pipe in enumerate(pipes)))
        try:
            pid = await self._run(theirs)
        except BaseException:
            _close(_end(pipe, 1 if index == 0 else 0) for index, pipe in enumerate(pipes))
            raise
        finally:
            _close((theirs.stdin, theirs.stdout, theirs.stderr))
        outputs = {stream: pipe[0] for stream, pipe in ((STDOUT, pipes[1]), (STDERR, pipes[2])) if pipe is not None}
        return ExecProcess(pid, _end(pipes[0], 1), outputs, terminal=False)

    async def _with_terminal(self) -> ExecProcess:
        address = self._folder / "console"
        listener = _listen(address)
        try:
            pid = await self._run(Stdio(), f"--console-socket={address.name}")
            terminal = await _receive_terminal(listener)
        finally:
            listener.close()
            address.unlink(missing_ok=True)
        return ExecProcess(pid, terminal, {STDOUT: terminal}, terminal=True)

    async def _run(self, stdio: Stdio, *options: str) -> int:
        runc = spawn(self._argv(*options), self._env, stdio, folder=self._folder)
        status = await ended(runc)
        if status != 0:
            # Where the container dies meanwhile, runc does not wait for what it has begun.
            follow_orphans(runc, ORPHANS)
            raise RuntimeRefused(last_error(self._folder / "runc.log"))
        return int((self._folder / "pid").read_text())


def last_error(log: Path) -> str:
    """The runtime's own words for its failure, from its JSON log."""
    try:
        lines = log.read_bytes().splitlines()
    except OSError:
        lines = []
    for line in reversed(lines):
        entry = msgspec.json.decode(line)
        if entry.get("level") == "error":
            return str(entry.get("msg", "")).strip()
    return "the runtime gave no reason"


def _end(pipe: tuple[int, int] | None, side: int) -> int | None:
    return None if pipe is None else pipe[side]


def _close(descriptors: Iterable[int | None]) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _listen(address: Path) -> socket.socket:
    """A socket in the exec's folder, bound through a descriptor of it: the path may be long."""
    folder = os.open(address.parent, os.O_PATH | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{address.name}")
        listener.listen(1)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


async def _receive_terminal(listener: socket.socket) -> int:
    """The master of the new terminal, which the runtime has sent before it ended."""
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    with connection:
        connection.setblocking(True)
        _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]
