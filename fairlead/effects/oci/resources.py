"""Limits as the OCI runtime spec has them (`linux.resources`), for `create` and for `runc update`."""

from __future__ import annotations

from typing import Any

from fairlead.model.container import Resources

Json = dict[str, Any]
DEFAULT_PERIOD = 100_000
UNLIMITED = -1


def limits(wanted: Resources) -> Json:
    """Only what was asked for; what is absent stays the kernel's default."""
    result: Json = {}
    for name, section in (("memory", _memory(wanted)), ("cpu", _cpu(wanted)), ("blockIO", _block_io(wanted))):
        if section:
            result[name] = section
    if wanted.pids:
        result["pids"] = {"limit": wanted.pids if wanted.pids > 0 else UNLIMITED}
    return result


def _memory(wanted: Resources) -> Json:
    section: Json = {}
    if wanted.memory:
        section["limit"] = wanted.memory
    if wanted.memory_reservation:
        section["reservation"] = wanted.memory_reservation
    if wanted.memory_swap:
        section["swap"] = wanted.memory_swap
    elif wanted.memory:
        section["swap"] = 2 * wanted.memory  # Docker's rule: as much swap as memory
    if wanted.memory_swappiness is not None and wanted.memory_swappiness >= 0:
        section["swappiness"] = wanted.memory_swappiness
    if wanted.oom_kill_disable:
        section["disableOOMKiller"] = True
    return section


def _cpu(wanted: Resources) -> Json:
    section: Json = {}
    if wanted.cpu_shares:
        section["shares"] = wanted.cpu_shares
    if wanted.nano_cpus:
        section["period"] = DEFAULT_PERIOD
        section["quota"] = wanted.nano_cpus * DEFAULT_PERIOD // 1_000_000_000
    if wanted.cpu_period:
        section["period"] = wanted.cpu_period
    if wanted.cpu_quota:
        section["quota"] = wanted.cpu_quota
    if wanted.cpuset_cpus:
        section["cpus"] = wanted.cpuset_cpus
    if wanted.cpuset_mems:
        section["mems"] = wanted.cpuset_mems
    return section


def _block_io(wanted: Resources) -> Json:
    return {"weight": wanted.blkio_weight} if wanted.blkio_weight else {}
