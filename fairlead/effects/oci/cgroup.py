"""What a container consumes, and which processes it has: read from its cgroup, version 1, 2 or both at once.

Paths: a v1 controller is mounted at /sys/fs/cgroup/<controller>, v2 alone at /sys/fs/cgroup. Sources:
kernel Documentation/admin-guide/cgroup-v1 (memory, cpuacct, blkio-controller) and cgroup-v2.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fairlead.model.runtime import BlockIo, CpuUsage, MemoryUsage, Usage

ROOT = Path("/sys/fs/cgroup")
V1_CONTROLLERS = (
    "systemd",
    "memory",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "net_cls",
    "net_prio",
    "perf_event",
    "hugetlb",
    "rdma",
    "misc",
    "unified",
)
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_UNLIMITED = 1 << 62


def unified(root: Path = ROOT) -> bool:
    """Whether the host has cgroup v2 only."""
    return (root / "cgroup.controllers").exists()


def pids(cgroup: str, root: Path = ROOT) -> tuple[int, ...]:
    """Every process of the container, also those in cgroups that it made below its own."""
    found: list[int] = []
    for folder, _, files in os.walk(_membership(root) / cgroup.lstrip("/")):
        if "cgroup.procs" in files:
            found += [int(line) for line in (Path(folder) / "cgroup.procs").read_text().split()]
    return tuple(sorted(found))


def below(cgroup: str, root: Path = ROOT) -> list[str]:
    """The names of the cgroups right below one; [] when it is not there."""
    try:
        return [entry.name for entry in os.scandir(_membership(root) / cgroup.lstrip("/")) if entry.is_dir()]
    except FileNotFoundError:
        return []


def _membership(root: Path) -> Path:
    """The hierarchy that is asked who is where."""
    return root if unified(root) else root / "pids"


def usage(cgroup: str, root: Path = ROOT) -> Usage:
    """Everything `docker stats` shows but the network. Counters of controllers that are not there are 0."""
    if unified(root):
        return _usage_v2(root / cgroup.lstrip("/"))
    return _usage_v1(root, cgroup.lstrip("/"))


def oom_kills(cgroup: str, root: Path = ROOT) -> int:
    """How many processes of the container the kernel has killed for want of memory; 0 where it is not known."""
    name = cgroup.strip("/")
    if not name:
        return 0
    v1, v2 = root / "memory" / name / "memory.oom_control", root / name / "memory.events"
    return _flat(v2 if unified(root) else v1).get("oom_kill", 0)


def remove(cgroup: str, root: Path = ROOT) -> bool:
    """Remove the container's empty cgroups; False when one still has processes."""
    bases = [root] if unified(root) else [root / name for name in V1_CONTROLLERS]
    removed = [remove_tree(base / cgroup.lstrip("/")) for base in bases]
    return all(removed)


def remove_tree(folder: Path) -> bool:
    """Remove a cgroup and those below it; False when one still has processes, True also when it is not there."""
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            raise
    return True


def _usage_v1(root: Path, name: str) -> Usage:
    cpuacct, cpu, memory = root / "cpuacct" / name, root / "cpu" / name, root / "memory" / name
    ticks, throttled = _flat(cpuacct / "cpuacct.stat"), _flat(cpu / "cpu.stat")
    per_cpu = tuple(int(value) for value in _text(cpuacct / "cpuacct.usage_percpu").split())
    return Usage(
        cpu=CpuUsage(
            total=_value(cpuacct / "cpuacct.usage"),
            user=ticks.get("user", 0) * NS_PER_TICK,
            kernel=ticks.get("system", 0) * NS_PER_TICK,
            per_cpu=per_cpu,
            system=system_cpu(),
            online=os.cpu_count() or 1,
            periods=throttled.get("nr_periods", 0),
            throttled_periods=throttled.get("nr_throttled", 0),
            throttled_time=throttled.get("throttled_time", 0),
        ),
        memory=MemoryUsage(
            usage=_value(memory / "memory.usage_in_bytes"),
            max_usage=_value(memory / "memory.max_usage_in_bytes"),
            limit=_limit(_value(memory / "memory.limit_in_bytes")),
            failcnt=_value(memory / "memory.failcnt"),
            stats=_flat(memory / "memory.stat"),
        ),
        block_io=tuple(_block_io_v1(root / "blkio" / name)),
        pids=_value(root / "pids" / name / "pids.current"),
        pids_limit=_value(root / "pids" / name / "pids.max"),
    )


def _usage_v2(folder: Path) -> Usage:
    cpu = _flat(folder / "cpu.stat")
    return Usage(
        cpu=CpuUsage(
            total=cpu.get("usage_usec", 0) * 1000,
            user=cpu.get("user_usec", 0) * 1000,
            kernel=cpu.get("system_usec", 0) * 1000,
            system=system_cpu(),
            online=os.cpu_count() or 1,
            periods=cpu.get("nr_periods", 0),
            throttled_periods=cpu.get("nr_throttled", 0),
            throttled_time=cpu.get("throttled_usec", 0) * 1000,
        ),
        memory=MemoryUsage(
            usage=_value(folder / "memory.current"),
            limit=_limit(_value(folder / "memory.max") or _UNLIMITED),
            failcnt=_flat(folder / "memory.events").get("oom", 0),
            stats=_flat(folder / "memory.stat"),
        ),
        block_io=tuple(_block_io_v2(folder)),
        pids=_value(folder / "pids.current"),
        pids_limit=_value(folder / "pids.max"),
    )


def system_cpu() -> int:
    """CPU time of the whole host, ns: the first seven columns of proc_stat(5)'s first line."""
    columns = _text(Path("/proc/stat")).split("\n", 1)[0].split()[1:8]
    return sum(int(column) for column in columns) * NS_PER_TICK


def host_memory() -> int:
    """Bytes of memory of this host."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limit(value: int) -> int:
    return min(value, host_memory())


def _block_io_v1(folder: Path) -> Iterator[BlockIo]:
    for line in _text(folder / "blkio.throttle.io_service_bytes_recursive").splitlines():
        fields = line.split()
        if len(fields) == 3:
            major, minor = fields[0].split(":")
            yield BlockIo(int(major), int(minor), fields[1].lower(), int(fields[2]))


def _block_io_v2(folder: Path) -> Iterator[BlockIo]:
    for line in _text(folder / "io.stat").splitlines():
        device, *counters = line.split()
        major, minor = device.split(":")
        values = dict(counter.split("=") for counter in counters)
        for op, key in (("read", "rbytes"), ("write", "wbytes")):
            yield BlockIo(int(major), int(minor), op, int(values.get(key, 0)))


def _flat(path: Path) -> dict[str, int]:
    """A file of "name number" lines."""
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _value(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
