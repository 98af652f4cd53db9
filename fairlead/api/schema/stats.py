"""`GET /containers/{id}/stats`: two samples, from whose difference clients compute percentages."""

from __future__ import annotations

from fairlead.api.schema.timestamp import rfc3339
from fairlead.engine.containers.observing import Sample
from fairlead.model.container import Container
from fairlead.model.runtime import CpuUsage, MemoryUsage, Usage

Json = dict[str, object]
_UNLIMITED_PIDS = (1 << 64) - 1


def stats_json(container: Container, now: Sample, before: Sample) -> Json:
    shown: Json = {
        "name": f"/{container.name}",
        "id": container.id,
        "read": rfc3339(now.at),
        "preread": rfc3339(before.at),
        "pids_stats": _pids_json(now.usage) if now.at else {},
        "blkio_stats": _block_io_json(now.usage),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu_json(now.usage.cpu, bool(now.at)),
        "precpu_stats": _cpu_json(before.usage.cpu, bool(before.at)),
        "memory_stats": _memory_json(now.usage.memory) if now.at else {},
    }
    if now.traffic:
        shown["networks"] = {
            link.name: {
                "rx_bytes": link.rx_bytes,
                "rx_packets": link.rx_packets,
                "rx_errors": link.rx_errors,
                "rx_dropped": link.rx_dropped,
                "tx_bytes": link.tx_bytes,
                "tx_packets": link.tx_packets,
                "tx_errors": link.tx_errors,
                "tx_dropped": link.tx_dropped,
            }
            for link in now.traffic
        }
    return shown


def _pids_json(usage: Usage) -> Json:
    return {"current": usage.pids, "limit": usage.pids_limit or _UNLIMITED_PIDS}


def _cpu_json(cpu: CpuUsage, running: bool) -> Json:
    used: Json = {"total_usage": cpu.total}
    if cpu.per_cpu:
        used["percpu_usage"] = list(cpu.per_cpu)
    used |= {"usage_in_kernelmode": cpu.kernel, "usage_in_usermode": cpu.user}
    throttled = {
        "periods": cpu.periods,
        "throttled_periods": cpu.throttled_periods,
        "throttled_time": cpu.throttled_time,
    }
    shown: Json = {"cpu_usage": used}
    if running:
        shown |= {"system_cpu_usage": cpu.system, "online_cpus": cpu.online}
    return shown | {"throttling_data": throttled}


def _memory_json(memory: MemoryUsage) -> Json:
    shown: Json = {"usage": memory.usage}
    if memory.max_usage:
        shown["max_usage"] = memory.max_usage
    shown["stats"] = dict(memory.stats)
    if memory.failcnt:
        shown["failcnt"] = memory.failcnt
    return shown | {"limit": memory.limit}


def _block_io_json(usage: Usage) -> Json:
    moved = [{"major": item.major, "minor": item.minor, "op": item.op, "value": item.value} for item in usage.block_io]
    return {
        "io_service_bytes_recursive": moved or None,
        "io_serviced_recursive": None,
        "io_queue_recursive": None,
        "io_service_time_recursive": None,
        "io_wait_time_recursive": None,
        "io_merged_recursive": None,
        "io_time_recursive": None,
        "sectors_recursive": None,
    }
