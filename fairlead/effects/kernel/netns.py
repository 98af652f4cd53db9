"""Network namespaces: the only place that enters one, and the files that keep them.

A thread enters a namespace for the moment in which it opens a socket, writes a sysctl or makes another namespace, and
comes back; everything opened meanwhile stays bound to the namespace. Entering and leaving takes about 4 us. If the way
back is barred the process must end, because the thread would do everybody's work in the wrong place.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairlead.model.errors import KernelRefused, NamespaceGone
from fairlead.model.plan import HOST

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MNT_DETACH = 0x2
_OWN = "/proc/thread-self/ns/net"


@contextmanager
def entered(path: str) -> Iterator[None]:
    """Run the body inside the namespace of that file; HOST is where the thread is already.

    The body must not block for long nor await. Raises KernelRefused when there is no such namespace.
    """
    if path == HOST:
        yield
        return
    target = open_namespace(path)
    try:
        with entered_descriptor(target):
            yield
    finally:
        os.close(target)


@contextmanager
def entered_descriptor(target: int) -> Iterator[None]:
    """The same for a namespace that is open already."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_namespace(target)
        try:
            yield
        finally:
            _return(home)
    finally:
        os.close(home)


def open_namespace(path: str) -> int:
    """A descriptor of the namespace. Raises KernelRefused."""
    try:
        return os.open(path or _OWN, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as gone:
        raise NamespaceGone(f"open network namespace {path}", errno.ENOENT) from gone
    except OSError as refused:
        raise KernelRefused(f"open network namespace {path}", refused.errno or 0) from refused


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise KernelRefused("enter network namespace", ctypes.get_errno())


def _return(home: int) -> None:
    if _libc.setns(home, _CLONE_NEWNET):
        os.abort()


def make_namespace() -> int:
    """A new, unnamed namespace; it lives as long as the returned descriptor or anything in it."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.unshare(_CLONE_NEWNET):
            raise KernelRefused("create network namespace", ctypes.get_errno())
        try:
            return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _return(home)
    finally:
        os.close(home)


def name_namespace(descriptor: int, path: Path) -> None:
    """Keep a namespace under a file. Raises KernelRefused, EEXIST when the file is there."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    except OSError as refused:
        raise KernelRefused(f"create {path}", refused.errno or 0) from refused
    source = f"/proc/self/fd/{descriptor}"
    if _libc.mount(source.encode(), os.fsencode(path), None, _MS_BIND, None):
        code = ctypes.get_errno()
        path.unlink(missing_ok=True)
        raise KernelRefused(f"mount network namespace on {path}", code)


def forget_namespace(path: Path) -> None:
    """Unmount and remove the file; a missing one is fine."""
    _libc.umount2(os.fsencode(path), _MNT_DETACH)
    path.unlink(missing_ok=True)


def is_namespace(path: Path) -> bool:
    """Whether a namespace is mounted there (all of them share one pseudo file system)."""
    try:
        return path.stat().st_dev == os.stat(_OWN).st_dev
    except OSError:
        return False


def make_private_mount(directory: Path) -> None:
    """Make the directory a mount of its own that propagates nowhere.

    Otherwise every mount namespace made meanwhile would receive copies of the files' mounts, and keep dead
    namespaces alive.
    """
    directory.mkdir(parents=True, exist_ok=True)
    raw = os.fsencode(directory)
    if not _is_mount(directory) and _libc.mount(raw, raw, None, _MS_BIND | _MS_REC, None):
        raise KernelRefused(f"mount {directory}", ctypes.get_errno())
    if _libc.mount(None, raw, None, _MS_PRIVATE | _MS_REC, None):
        raise KernelRefused(f"make {directory} private", ctypes.get_errno())


def _is_mount(directory: Path) -> bool:
    """Also for a bind mount within one file system, which `os.path.ismount` cannot see."""
    place = os.path.realpath(directory)
    return any(line.split(" ")[4] == place for line in Path("/proc/self/mountinfo").read_text().splitlines())


def unmount(directory: Path) -> None:
    """Undo `make_private_mount`; it may be gone already."""
    _libc.umount2(os.fsencode(directory), _MNT_DETACH)


@dataclass(frozen=True, slots=True)
class SocketSpec:
    """A socket to open: `kind` is SOCK_DGRAM or SOCK_STREAM; `address` to bind, None to leave it unbound; `backlog`
    more than 0 to listen."""

    kind: int
    address: tuple[str, int] | None = None
    family: int = socket.AF_INET
    backlog: int = 0
    reuse: bool = True


def open_sockets(ns_path: str, specs: Sequence[SocketSpec]) -> list[socket.socket]:
    """Non-blocking sockets inside a namespace, all or none: 10 us each, so it may be called on the event loop.

    Raises KernelRefused.
    """
    opened: list[socket.socket] = []
    with entered(ns_path):
        try:
            for spec in specs:
                opened.append(_open_socket(spec))
        except OSError as refused:
            for each in opened:
                each.close()
            raise KernelRefused(f"open a socket on {spec.address} in {ns_path}", refused.errno or 0) from refused
    return opened


def _open_socket(spec: SocketSpec) -> socket.socket:
    made = socket.socket(spec.family, spec.kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if spec.reuse:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if spec.address is not None:
            made.bind(spec.address)
        if spec.backlog:
            made.listen(spec.backlog)
    except OSError:
        made.close()
        raise
    return made
