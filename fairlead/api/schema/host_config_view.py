"""`HostConfig` as inspect shows it: what was asked for, with Docker's defaults in the places of what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.schema.ports import port_bindings_json
from fairlead.engine.fabric.legacy_links import parse
from fairlead.model.container import (
    DEFAULT_SHM,
    MASKED_PATHS,
    READONLY_PATHS,
    Container,
    ContainerSpec,
    Mount,
    Resources,
)

Json = dict[str, object]


def _links(container: Container) -> list[str]:
    """Links of the default bridge as Docker keeps them; those of other networks stand at the endpoint."""
    network = container.spec.network
    if network.mode not in ("default", "bridge"):
        return []
    return [f"/{target}:/{container.name}/{alias}" for target, alias in map(parse, network.links)]


def host_config_json(container: Container) -> Json:
    spec, network = container.spec, container.spec.network
    shown: Json = {
        "Binds": _or_null(spec.binds),
        "ContainerIDFile": "",
        "LogConfig": {"Type": spec.log_driver or "json-file", "Config": dict(spec.log_options)},
        "NetworkMode": "bridge" if network.mode == "default" else network.mode,
        "PortBindings": port_bindings_json(network.ports),
        "RestartPolicy": {"Name": spec.restart.name, "MaximumRetryCount": spec.restart.maximum_retries},
        "AutoRemove": spec.auto_remove,
        "VolumeDriver": spec.volume_driver,
        "VolumesFrom": _or_null(spec.volumes_from),
        "ConsoleSize": list(spec.console_size),
    }
    if spec.annotations:
        shown["Annotations"] = dict(spec.annotations)
    shown |= {
        "CapAdd": _or_null(spec.cap_add),
        "CapDrop": _or_null(spec.cap_drop),
        "CgroupnsMode": spec.cgroupns_mode or "host",
        "Dns": list(network.dns),
        "DnsOptions": list(network.dns_options),
        "DnsSearch": list(network.dns_search),
        "ExtraHosts": _or_null(network.extra_hosts),
        "GroupAdd": _or_null(spec.group_add),
        "IpcMode": spec.ipc_mode or "private",
        "Cgroup": "",
        "Links": _or_null(_links(container)),
        "OomScoreAdj": spec.oom_score_adj,
        "PidMode": spec.pid_mode,
        "Privileged": spec.privileged,
        "PublishAllPorts": network.publish_all,
        "ReadonlyRootfs": spec.read_only,
        "SecurityOpt": _or_null(spec.security_opt),
    }
    if spec.tmpfs:
        shown["Tmpfs"] = dict(spec.tmpfs)
    shown |= {"UTSMode": spec.uts_mode, "UsernsMode": spec.userns_mode, "ShmSize": spec.shm_size or DEFAULT_SHM}
    if spec.sysctls:
        shown["Sysctls"] = dict(spec.sysctls)
    shown |= {"Runtime": spec.runtime or "runc", "Isolation": spec.isolation}
    shown |= _resources_json(spec.resources, spec.cgroup_parent)
    if spec.mounts:
        shown["Mounts"] = [mount_json(mount) for mount in spec.mounts]
    return shown | _paths_json(spec)


def _paths_json(spec: ContainerSpec) -> Json:
    """A privileged container hides nothing."""
    masked = () if spec.privileged else MASKED_PATHS
    readonly = () if spec.privileged else READONLY_PATHS
    shown: Json = {
        "MaskedPaths": _paths(masked if spec.masked_paths is None else spec.masked_paths, spec.privileged),
        "ReadonlyPaths": _paths(readonly if spec.readonly_paths is None else spec.readonly_paths, spec.privileged),
    }
    return shown if spec.init is None else {**shown, "Init": spec.init}


def _paths(paths: Sequence[str], privileged: bool) -> list[str] | None:
    return None if privileged and not paths else list(paths)


def _resources_json(wanted: Resources, cgroup_parent: str) -> Json:
    swap = wanted.memory_swap or 2 * wanted.memory
    return {
        "CpuShares": wanted.cpu_shares,
        "Memory": wanted.memory,
        "NanoCpus": wanted.nano_cpus,
        "CgroupParent": cgroup_parent,
        "BlkioWeight": wanted.blkio_weight,
        "BlkioWeightDevice": [],
        "BlkioDeviceReadBps": [],
        "BlkioDeviceWriteBps": [],
        "BlkioDeviceReadIOps": [],
        "BlkioDeviceWriteIOps": [],
        "CpuPeriod": wanted.cpu_period,
        "CpuQuota": wanted.cpu_quota,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": wanted.cpuset_cpus,
        "CpusetMems": wanted.cpuset_mems,
        "Devices": [
            {"PathOnHost": one.host_path, "PathInContainer": one.container_path, "CgroupPermissions": one.permissions}
            for one in wanted.devices
        ],
        "DeviceCgroupRules": _or_null(wanted.device_rules),
        "DeviceRequests": None,
        "MemoryReservation": wanted.memory_reservation,
        "MemorySwap": swap,
        "MemorySwappiness": wanted.memory_swappiness,
        "OomKillDisable": wanted.oom_kill_disable,
        "PidsLimit": max(wanted.pids, 0) if wanted.pids else None,
        "Ulimits": [{"Name": item.name, "Hard": item.hard, "Soft": item.soft} for item in wanted.ulimits],
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    }


def mount_json(mount: Mount) -> Json:
    """A `HostConfig.Mounts` entry, with the options that were given."""
    shown: Json = {"Type": mount.kind}
    if mount.source:
        shown["Source"] = mount.source
    shown["Target"] = mount.target
    if mount.read_only:
        shown["ReadOnly"] = True
    bind = {"Propagation": mount.propagation, "CreateMountpoint": mount.create_source}
    driver = {"Name": mount.driver, "Options": dict(mount.driver_opts)}
    volume = {
        "NoCopy": mount.no_copy,
        "Labels": dict(mount.labels),
        "Subpath": mount.subpath,
        "DriverConfig": _given(driver),
    }
    tmpfs = {"SizeBytes": mount.tmpfs_size, "Mode": mount.tmpfs_mode}
    options = {"BindOptions": _given(bind), "VolumeOptions": _given(volume), "TmpfsOptions": _given(tmpfs)}
    return shown | _given(options)


def _given(values: Mapping[str, object]) -> Json:
    return {name: value for name, value in values.items() if value}


def _or_null(values: Sequence[str]) -> list[str] | None:
    return list(values) or None
