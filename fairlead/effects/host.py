"""This host, described: the kernel, the distribution, the cgroups, the tools that run containers."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from fairlead.model.system import HostDescription

CGROUP_ROOT = Path("/sys/fs/cgroup")
_DISCARD = 9
_FILESYSTEM_NAMES = {
    "ext2": "extfs",
    "ext3": "extfs",
    "ext4": "extfs",
    "fuse.overlay": "overlayfs",
    "overlay": "overlayfs",
}


class LinuxHost:
    """Fulfils `fairlead.engine.ports.Host`."""

    def __init__(self, data_root: Path, hostname: str = "") -> None:
        self._data_root, self._hostname = data_root, hostname

    @cached_property
    def description(self) -> HostDescription:
        """Found out when somebody asks: the tools take 20 ms to say their versions."""
        return describe(self._data_root, self._hostname)

    def open_files(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    def source_towards(self, address: str) -> str:
        with suppress(OSError), socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.connect((address, _DISCARD))
            return str(probe.getsockname()[0])
        return ""

    def forwards_ipv4(self) -> bool:
        return _text(Path("/proc/sys/net/ipv4/ip_forward")) == "1"


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def describe(data_root: Path, hostname: str = "") -> HostDescription:
    """`hostname` is what the host calls itself where the operator said so."""
    system = os.uname()
    distribution = _os_release()
    return HostDescription(
        engine_id=_engine_id(data_root / "engine-id"),
        name=hostname or system.nodename,
        kernel=system.release,
        operating_system=distribution.get("PRETTY_NAME", "Linux"),
        os_version=distribution.get("VERSION_ID", ""),
        architecture=system.machine,
        cpus=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        cgroup_version="2" if (CGROUP_ROOT / "cgroup.controllers").exists() else "1",
        controllers=_controllers(),
        swap_limit=_limits_swap(),
        backing_filesystem=_filesystem_of(data_root),
        tools={tool: _version_of(tool) for tool in ("runc", "conmon")},
    )


def _engine_id(path: Path) -> str:
    """The id kept in `path`, made at the first start."""
    if known := _text(path):
        return known
    fresh = str(uuid.uuid4())
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(fresh + "\n")
    beside.replace(path)
    return fresh


def _os_release() -> Mapping[str, str]:
    with suppress(OSError):
        return platform.freedesktop_os_release()
    return {}


def _controllers() -> frozenset[str]:
    """Of either hierarchy: a v1 host names the enabled ones in /proc/cgroups."""
    if unified := _text(CGROUP_ROOT / "cgroup.controllers"):
        return frozenset(unified.split())
    rows = [line.split() for line in _text(Path("/proc/cgroups")).splitlines() if not line.startswith("#")]
    return frozenset(row[0] for row in rows if row[-1] == "1")


def _limits_swap() -> bool:
    if (CGROUP_ROOT / "cgroup.controllers").exists():
        return any(CGROUP_ROOT.glob("*/memory.swap.max"))
    return (CGROUP_ROOT / "memory/memory.memsw.limit_in_bytes").exists()


def _filesystem_of(directory: Path) -> str:
    """The name of the file system that `directory` (or its nearest parent that exists) lies on, in Docker's words."""
    best, kind = "", ""
    wanted = str(directory.resolve())
    for line in _text(Path("/proc/self/mountinfo")).splitlines():
        fields = line.split()
        place = fields[4]
        if (wanted + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best):
            best, kind = place, fields[fields.index("-") + 1]
    return _FILESYSTEM_NAMES.get(kind, kind)


def _version_of(tool: str) -> str:
    """The last word of the first line of `tool --version`; "" when it is not there or does not answer."""
    if shutil.which(tool) is None:
        return ""
    try:
        said = subprocess.run([tool, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.split("\n", 1)[0].rpartition(" ")[2].strip()


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""
