"""conmon, the small process that stays with a container while daemons come and go.

conmon forks away from us, runs `runc create`, and holds the container's stdio: it writes the log,
serves the attach socket and, at the end, leaves the exit code as a file. What it tells its starter
goes through a pipe named in `_OCI_SYNCPIPE`: one JSON line with the pid, or -1 and the runtime's
error. Everything it leaves lies in the bundle directory, where it also works (it makes `oom` wherever that is):

    config.json   the spec               attach   socket (seqpacket), see attach.py
    pid           container's pid        ctl      fifo: "1 <height> <width>" resizes, "2 0 0" reopens the log
    conmon.pid    its own pid            oom      made when the kernel's OOM killer struck
    exit          the exit code, in decimal
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fairlead.effects.oci.process import Stdio, ended, read_some, spawn
from fairlead.model.errors import RuntimeRefused

WINDOW_SIZE, REOPEN_LOG = 1, 2
CREATE_LOG = "runc.log"
_SMALL = 1 << 16


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are."""

    conmon: str = "/usr/bin/conmon"
    runtime: str = "/usr/sbin/runc"
    init: str = "/usr/bin/tini-static"
    search_path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Console:
    """How the container's stdio is kept: with a terminal, with stdin, and whether stdin outlives its first client."""

    terminal: bool
    stdin: bool
    stdin_once: bool
    log_path: str = ""
    log_size: int = 0


class _Report(msgspec.Struct):
    data: int = -1
    message: str = ""


class Bundle:
    """The files of one container below exec-root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.container_id = folder.name

    @property
    def config(self) -> Path:
        return self.folder / "config.json"

    def pid(self) -> int:
        return self._number("pid") or 0

    def last_monitor_pid(self) -> int:
        """The pid that conmon had, 0 if there was none: valid while nobody has collected it."""
        return self._number("conmon.pid") or 0

    def monitor_pid(self) -> int:
        """conmon's pid if it still runs and is this container's, else 0: a pid alone may have been given away."""
        pid = self.last_monitor_pid()
        return pid if pid and self._is_ours(pid) else 0

    def _is_ours(self, pid: int) -> bool:
        return os.fsencode(self.folder) in _content(f"/proc/{pid}/cmdline").split(b"\0")

    def exit_code(self) -> int | None:
        return self._number("exit")

    def exit_time(self) -> int:
        """When the exit file was written, ns since the epoch; 0 without one."""
        try:
            return (self.folder / "exit").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _number(self, name: str) -> int | None:
        text = _content(f"{self.folder}/{name}").strip()
        return int(text) if text.lstrip(b"-").isdigit() else None

    def oom_killed(self) -> bool:
        return (self.folder / "oom").exists()

    def control(self, kind: int, first: int = 0, second: int = 0) -> None:
        """Send conmon a line. Nobody listening is fine: the container has ended."""
        try:
            descriptor = os.open(self.folder / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.write(descriptor, f"{kind} {first} {second}\n".encode())
        finally:
            os.close(descriptor)


def _content(path: str) -> bytes:
    """A small file, b"" if it is not there. At boot thousands are read: this way in a fifth of `Path.read_bytes`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _SMALL)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def command(bundle: Bundle, console: Console, programs: Programs, runtime_root: Path) -> list[str]:
    """conmon's command line."""
    folder = str(bundle.folder)
    argv = [programs.conmon, "--api-version", "1", "-c", bundle.container_id, "-u", bundle.container_id]
    argv += ["-n", bundle.container_id, "-r", programs.runtime, "-b", folder]
    argv += ["-p", f"{folder}/pid", "-P", f"{folder}/conmon.pid", "--persist-dir", folder]
    argv += ["--full-attach", "--no-sync-log", "--log-level", "error"]
    argv += ["-l", f"k8s-file:{console.log_path}" if console.log_path else "none"]
    if console.log_size:
        argv += ["--log-size-max", str(console.log_size)]
    if console.terminal:
        argv.append("-t")
    if console.stdin:
        argv.append("-i")
    if console.terminal or not console.stdin_once:
        argv.append("--leave-stdin-open")
    for option in (f"--root={runtime_root}", f"--log={folder}/{CREATE_LOG}", "--log-format=json"):
        argv += ["--runtime-arg", option]
    return argv


async def launch(bundle: Bundle, console: Console, programs: Programs, runtime_root: Path) -> int:
    """Start conmon, which creates the container; return the container's pid once it waits to be started.

    Raises RuntimeRefused with the runtime's reason.
    """
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    try:
        env = {"PATH": programs.search_path, "_OCI_SYNCPIPE": str(report_write)}
        argv = command(bundle, console, programs, runtime_root)
        first_fork = spawn(argv, env, Stdio(), (report_write,), bundle.folder)
    except BaseException:
        os.close(report_read)
        raise
    finally:
        os.close(report_write)
    report, _ = await asyncio.gather(_report(report_read), ended(first_fork))
    if report.data < 0:
        raise RuntimeRefused(report.message.strip() or "the runtime gave no reason")
    return report.data


async def _report(descriptor: int) -> _Report:
    """conmon's line. An end without one means that conmon itself failed."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            chunk = await read_some(descriptor)
            if not chunk:
                break
            line += chunk
    finally:
        os.close(descriptor)
    if not line:
        return _Report(message="conmon ended without a word")
    return msgspec.json.decode(line, type=_Report)
