"""The node in Docker's JSON: `/version`, `/info`, events."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from msgspec import Struct

from fairlead import __version__
from fairlead.api.schema.generic_resources import generic_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.config import Registries
from fairlead.model.event import Event
from fairlead.model.image import RegistryAuth
from fairlead.model.system import HostDescription

if TYPE_CHECKING:
    from fairlead.engine.system import System

Json = dict[str, object]

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_LOOPBACK = ("::1/128", "127.0.0.0/8")


class Credentials(Struct):
    """What `/auth` takes; `serveraddress` "" is Docker Hub."""

    username: str = ""
    password: str = ""
    serveraddress: str = ""

    def auth(self) -> RegistryAuth:
        return RegistryAuth(self.username, self.password)


def version_json(host: HostDescription) -> Json:
    architecture = _GO_ARCHITECTURES.get(host.architecture, host.architecture)
    api = {"ApiVersion": "1.50", "MinAPIVersion": "1.24"}
    build = {"GitCommit": "", "GoVersion": "", "Os": "linux", "Arch": architecture, "KernelVersion": host.kernel}
    details = {**api, **build, "BuildTime": "", "Experimental": "false", "PythonVersion": platform.python_version()}
    installed = {tool: found for tool, found in host.tools.items() if found}
    tools = [{"Name": tool, "Version": found, "Details": {"GitCommit": ""}} for tool, found in installed.items()]
    return {
        "Platform": {"Name": "Fairlead"},
        "Components": [{"Name": "Engine", "Version": __version__, "Details": details}, *tools],
        "Version": __version__,
        **api,
        **build,
        "BuildTime": "",
    }


def info_json(system: System, swarm: Json) -> Json:
    host, config = system.host, system.config
    return {
        "ID": host.engine_id,
        **_contents(system),
        "Plugins": {
            "Volume": ["local"],
            "Network": system.network_drivers(),
            "Authorization": None,
            "Log": ["json-file", "none"],
        },
        **_limits(host),
        "IPv4Forwarding": system.forwards_ipv4(),
        "Debug": config.log_level == "debug",
        "NFd": system.open_files(),
        "NGoroutines": system.tasks(),
        "SystemTime": rfc3339(system.now()),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": host.cgroup_version,
        "NEventsListener": system.listeners(),
        **_platform(host),
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": _registries(config.registries),
        "GenericResources": generic_json(config.generic_resources, config.named_resources) or None,
        "DockerRootDir": str(config.data_root),
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": host.name,
        "Labels": list(config.labels),
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        **_runtimes(host),
        "Swarm": swarm,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "FirewallBackend": {"Driver": "nftables"},
        "CDISpecDirs": [],
        **_address_pools(system),
        "Warnings": [*system.warnings(), *_strings(swarm.get("Warnings"))] or None,
    }


def _registries(registries: Registries) -> Json:
    mirrors = [url.rstrip("/") + "/" for url in registries.mirrors]
    known: Json = {"docker.io": {"Mirrors": mirrors, "Name": "docker.io", "Official": True, "Secure": True}}
    for name in (one for one in registries.insecure if "/" not in one):
        known[name] = {"Mirrors": [], "Name": name, "Official": False, "Secure": False}
    networks = [*_LOOPBACK, *(one for one in registries.insecure if "/" in one)]
    return {"IndexConfigs": known, "InsecureRegistryCIDRs": networks, "Mirrors": mirrors or None}


def _strings(value: object) -> list[str]:
    return list(value) if isinstance(value, list) else []


def _contents(system: System) -> Json:
    census = system.census()
    return {
        "Containers": census.containers,
        "ContainersRunning": census.running,
        "ContainersPaused": census.paused,
        "ContainersStopped": census.stopped,
        "Images": census.images,
        "Driver": "overlay2",
        "DriverStatus": [
            ["Backing Filesystem", system.host.backing_filesystem],
            ["Supports d_type", "true"],
            ["Using metacopy", "false"],
            ["Native Overlay Diff", "true"],
            ["userxattr", "false"],
        ],
    }


def _limits(host: HostDescription) -> Json:
    return {
        "MemoryLimit": "memory" in host.controllers,
        "SwapLimit": host.swap_limit,
        "KernelMemoryTCP": host.cgroup_version == "1" and "memory" in host.controllers,
        "CpuCfsPeriod": "cpu" in host.controllers,
        "CpuCfsQuota": "cpu" in host.controllers,
        "CPUShares": "cpu" in host.controllers,
        "CPUSet": "cpuset" in host.controllers,
        "PidsLimit": "pids" in host.controllers,
        "OomKillDisable": host.cgroup_version == "1" and "memory" in host.controllers,
    }


def _platform(host: HostDescription) -> Json:
    return {
        "KernelVersion": host.kernel,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.architecture,
        "NCPU": host.cpus,
        "MemTotal": host.memory,
    }


def _runtimes(host: HostDescription) -> Json:
    return {
        "Runtimes": {"runc": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": host.tools.get("runc", "")},
        "InitCommit": {"ID": ""},
    }


def _address_pools(system: System) -> Json:
    """Only those that the operator chose: Docker shows nothing for its own defaults."""
    pools = system.config.address_pools
    return {"DefaultAddressPools": [{"Base": str(pool.base), "Size": pool.size} for pool in pools]} if pools else {}


def event_json(event: Event) -> Json:
    """Containers and images still carry the fields of the first API."""
    legacy: Json = {}
    if event.kind in ("container", "image"):
        legacy = {"status": event.action, "id": event.actor}
    if event.kind == "container":
        legacy["from"] = event.attributes.get("image", "")
    return {
        **legacy,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.actor, "Attributes": event.attributes},
        "scope": event.scope,
        "time": event.time // 1_000_000_000,
        "timeNano": event.time,
    }
