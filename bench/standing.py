"""What stands there: memory and processor time of an engine's own processes, from /proc."""

from __future__ import annotations

from pathlib import Path

from bench.engines import Engine

DAEMONS = ("dockerd", "containerd", "fairlead", "python", "python3")
_CONTAINED = ("httpd", "busybox", "sh")


def memory(engine: Engine) -> tuple[float, float]:
    """(of the daemons, of what stands beside containers), MiB by PSS; the containers themselves do not count."""
    daemons = beside = 0.0
    for pid, name in engine.processes():
        if name in DAEMONS:
            daemons += _pss(pid)
        elif name not in _CONTAINED:
            beside += _pss(pid)
    return daemons, beside


def spent(engine: Engine) -> float:
    """Seconds of processor time so far of everything but the containers."""
    return sum(_cpu_seconds(pid) for pid, name in engine.processes() if name not in _CONTAINED)


def _pss(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
