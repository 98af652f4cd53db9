"""Network namespaces for the resolver's tests: made by unshare, named after the test's process, gone with it."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Made = TypeVar("Made")


def inside(path: str, act: Callable[[], Made]) -> Made:
    """Do `act` in the namespace at `path`, in a thread that ends with it."""
    made: list[Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with open(path) as handle:
                if _libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(act())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


class Space:
    """A namespace held open by a process that waits for its stdin to end."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        self.path = f"/proc/{self._holder.pid}/ns/net"

    def run(self, *command: str, text: str | None = None, timeout: float = 20) -> str:
        """Run a command in here; its output. Raises when it fails."""
        entered = ["nsenter", f"--net={self.path}", *command]
        done = subprocess.run(entered, input=text, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in here; the caller ends it."""
        return subprocess.Popen(["nsenter", f"--net={self.path}", *command], stdout=subprocess.DEVNULL)

    def link(self, other: Space, own: str, theirs: str, name: str = "eth0") -> None:
        """Join two spaces by a veth pair called `name` in both, with these addresses (with prefix length)."""
        pid = other._holder.pid
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", str(pid))
        for space, address in ((self, own), (other, theirs)):
            space.run("ip", "address", "add", address, "dev", name, *(("nodad",) if ":" in address else ()))
            space.run("ip", "link", "set", name, "up")

    def close(self) -> None:
        self._holder.communicate(timeout=30)


def unused_port(space: Space) -> int:
    """A UDP and TCP port that nobody uses there now."""

    def find() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind(("127.0.0.1", 0))
            return int(sock.getsockname()[1])

    return inside(space.path, find)
