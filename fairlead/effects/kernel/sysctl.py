"""Kernel parameters under /proc/sys: what is read and written there belongs to the namespace of the calling thread."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fairlead.effects.kernel.netns import entered
from fairlead.model.errors import KernelRefused

_ROOT = Path("/proc/sys")
_DISABLE_IPV6 = re.compile(r"net/ipv6/conf/([^/]+)/disable_ipv6")


def read_sysctl(path: str, ns: str) -> str | None:
    """The value without its newline; None when the kernel has no such parameter."""
    with entered(ns):
        try:
            return _place(path).read_text().strip()
        except OSError:
            return "1" if _without_ipv6(path) else None


def write_sysctl(path: str, value: str, ns: str) -> None:
    """Raises KernelRefused."""
    with entered(ns):
        write_here(path, value)


def write_here(path: str, value: str) -> None:
    """The same in the namespace where the thread is."""
    try:
        descriptor = os.open(_place(path), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except OSError as refused:
        raise KernelRefused(f"set {path} to {value}", refused.errno or 0) from refused


def _without_ipv6(path: str) -> bool:
    """Is it asked whether IPv6 is disabled on a link that has none at all? So the kernel treats a link whose MTU is
    below IPv6's least."""
    found = _DISABLE_IPV6.fullmatch(path)
    return found is not None and _place(f"net/ipv4/conf/{found[1]}").exists()


def _place(path: str) -> Path:
    if ".." in path.split("/"):
        raise KernelRefused(f"set {path}", 22)
    return _ROOT / path.lstrip("/")
