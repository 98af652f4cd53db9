"""Containers as the API shows them: inspect and listings, with the keys in the order of the Docker Engine API."""

from __future__ import annotations

import socket

from fairlead.api.schema.host_config_view import host_config_json
from fairlead.api.schema.network import network_settings_json, networks_json, ports_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.engine.containers.listing import ContainerView, MountView
from fairlead.model.container import (
    DEAD,
    PAUSED,
    RESTARTING,
    Container,
    ContainerState,
    HealthSpec,
    HealthState,
    NetworkingSpec,
)

Json = dict[str, object]
SECOND = 1_000_000_000
STORAGE_DRIVER = "overlay2"


def inspect_json(view: ContainerView) -> Json:
    """`GET /containers/{id}/json`."""
    container, folder = view.container, view.folder
    shown: Json = {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": container.argv[0],
        "Args": list(container.argv[1:]),
        "State": _state_json(container.state),
        "Image": container.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": view.log_path if container.spec.log_driver != "none" else "",
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": STORAGE_DRIVER,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": list(view.exec_ids) or None,
        "HostConfig": host_config_json(container),
        "GraphDriver": {"Data": dict(view.root), "Name": STORAGE_DRIVER},
    }
    if view.sizes is not None:
        shown |= {"SizeRw": view.sizes.written, "SizeRootFs": view.sizes.total}
    return shown | {
        "Mounts": [_mount_json(mount) for mount in view.mounts if _is_listed(mount, container)],
        "Config": _config_json(container),
        "NetworkSettings": network_settings_json(view.network),
    }


def summary_json(view: ContainerView) -> Json:
    """One entry of `GET /containers/json`."""
    container = view.container
    shown: Json = {
        "Id": container.id,
        "Names": [f"/{name}" for name in (container.name, *view.link_names)],
        "Image": view.image,
        "ImageID": container.image_id,
        "Command": view.command,
        "Created": container.created // SECOND,
        "Ports": ports_json(view.network),
    }
    if view.sizes is not None:
        shown |= {"SizeRw": view.sizes.written, "SizeRootFs": view.sizes.total}
    host_config: Json = {"NetworkMode": network_mode(container)}
    if container.spec.annotations:
        host_config["Annotations"] = dict(container.spec.annotations)
    return shown | {
        "Labels": dict(container.labels),
        "State": container.state.status,
        "Status": view.status,
        "HostConfig": host_config,
        "NetworkSettings": {"Networks": networks_json(view.network)},
        "Mounts": [_mount_json(mount) for mount in view.mounts if _is_listed(mount, container)],
    }


def network_mode(container: Container) -> str:
    """ "default" is the bridge."""
    mode = container.spec.network.mode
    return "bridge" if mode == "default" else mode


def _state_json(state: ContainerState) -> Json:
    shown: Json = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == PAUSED,
        "Restarting": state.status == RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": state.status == DEAD,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started),
        "FinishedAt": rfc3339(state.finished),
    }
    if state.health is not None:
        shown["Health"] = _health_json(state.health)
    return shown


def _health_json(health: HealthState) -> Json:
    return {
        "Status": health.status,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": rfc3339(probe.start),
                "End": rfc3339(probe.end),
                "ExitCode": probe.exit_code,
                "Output": probe.output,
            }
            for probe in health.log
        ],
    }


def _config_json(container: Container) -> Json:
    spec = container.spec
    exposed: Json = {port: {} for port in container.exposed}
    shown: Json = {
        "Hostname": _hostname(container),
        "Domainname": spec.network.domainname,
        "User": container.user,
        "AttachStdin": spec.attach_stdin,
        "AttachStdout": spec.attach_stdout,
        "AttachStderr": spec.attach_stderr,
        **({"ExposedPorts": exposed} if exposed else {}),
        "Tty": spec.tty,
        "OpenStdin": spec.open_stdin,
        "StdinOnce": spec.stdin_once,
        "Env": list(container.env),
        "Cmd": _list_or_null(container.cmd),
        **({"Healthcheck": healthcheck_json(container.health)} if container.health else {}),
        "Image": spec.image,
        "Volumes": {target: {} for target in container.volumes} or None,
        "WorkingDir": container.workdir,
        "Entrypoint": _list_or_null(container.entrypoint),
    }
    if spec.network.disabled:
        shown["NetworkDisabled"] = True
    if mac := _typed_mac(spec.network):
        shown["MacAddress"] = mac
    shown |= {"OnBuild": None, "Labels": dict(container.labels)}
    optional: Json = {
        "StopSignal": container.stop_signal or None,
        "StopTimeout": spec.stop_timeout,
        "Shell": list(spec.shell) or None,
    }
    return shown | {name: value for name, value in optional.items() if value is not None}


def _typed_mac(network: NetworkingSpec) -> str:
    """The MAC that was asked for, of the container or of its endpoint on the network that the mode names."""
    names = ("default", "bridge") if network.mode in ("", "default", "bridge") else (network.mode,)
    typed = (network.endpoints[name].mac for name in names if name in network.endpoints)
    return network.mac or next(filter(None, typed), "")


def _hostname(container: Container) -> str:
    """As typed; else the short id, or the host's own name for a container that shares its network."""
    if container.spec.network.hostname:
        return container.spec.network.hostname
    mode = container.spec.network.mode
    if mode.startswith("container:"):
        return ""
    return socket.gethostname() if mode == "host" else container.id[:12]


def healthcheck_json(health: HealthSpec) -> Json:
    """Durations in ns; what was not given is left out."""
    values: Json = {
        "Test": list(health.test) or None,
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
        "Retries": health.retries,
    }
    return {name: value for name, value in values.items() if value}


def _is_listed(view: MountView, container: Container) -> bool:
    """`--tmpfs` mounts stand in `HostConfig.Tmpfs` only."""
    return not (view.mount.kind == "tmpfs" and view.mount.target in container.spec.tmpfs)


def _mount_json(view: MountView) -> Json:
    mount = view.mount
    shown: Json = {"Type": mount.kind}
    if mount.kind == "volume":
        shown["Name"] = mount.source
    shown |= {"Source": view.source, "Destination": mount.target}
    if mount.kind == "volume":
        shown["Driver"] = mount.driver or "local"
    propagation = (mount.propagation or "rprivate") if mount.kind == "bind" else ""
    return shown | {"Mode": mount.mode, "RW": not mount.read_only, "Propagation": propagation}


def _list_or_null(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)
