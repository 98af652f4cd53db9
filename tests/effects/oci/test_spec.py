"""The OCI runtime spec that a container gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.effects.oci.seccomp import Profiles
from fairlead.effects.oci.spec import HostTraits, build
from fairlead.effects.oci.users import Identity
from fairlead.model.container import Container, ContainerSpec, NetworkingSpec, Resources, Ulimit
from fairlead.model.runtime import Launch, MountPoint

HOST = HostTraits(Profiles("x86_64", Path("/nonexistent")), cgroup_parent="/fairlead-1")
ID = "ab" * 32


def launch(spec: ContainerSpec | None = None, **fields: Any) -> Launch:
    container = Container(ID, "web", 0, spec or ContainerSpec("i"), "sha256:0", ("top",), workdir="/srv")
    fields.setdefault("netns", "/run/netns/x")
    return Launch(container=container, rootfs="/root", hostname="web", **fields)


def built(spec: ContainerSpec | None = None, **fields: Any) -> dict[str, Any]:
    return build(launch(spec, **fields), Identity(5, 6, (7,)), HOST)


def mounts(config: Mapping[str, Any]) -> dict[str, list[str]]:
    return {mount["destination"]: mount["options"] for mount in config["mounts"]}


def namespaces(config: Mapping[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry.get("path", "") for entry in config["linux"]["namespaces"]}


def test_the_process_is_who_and_where_it_should_be() -> None:
    process = built(env=("A=1",))["process"]
    assert process["user"] == {"uid": 5, "gid": 6, "additionalGids": [7]}
    assert (process["args"], process["cwd"], process["env"]) == (["top"], "/srv", ["A=1"])
    assert not process["terminal"]
    assert not process["noNewPrivileges"]


def test_the_network_is_joined_and_everything_else_fresh() -> None:
    assert namespaces(built()) == {"mount": "", "network": "/run/netns/x", "uts": "", "pid": "", "ipc": ""}


def test_the_hosts_namespaces_are_left_out() -> None:
    config = built(netns="", uts="", pid="", ipc="", shm_path="/dev/shm")
    assert namespaces(config) == {"mount": ""}
    assert "hostname" not in config
    assert mounts(config)["/dev/shm"] == ["rbind"]


def test_privileges_are_limited_unless_asked_for() -> None:
    config = built()
    assert "/proc/kcore" in config["linux"]["maskedPaths"]
    assert "ro" in mounts(config)["/sys"]
    assert config["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    privileged = built(ContainerSpec("i", privileged=True))
    assert "maskedPaths" not in privileged["linux"]
    assert "ro" not in mounts(privileged)["/sys"]
    assert privileged["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert len(privileged["process"]["capabilities"]["bounding"]) > len(config["process"]["capabilities"]["bounding"])


def test_limits() -> None:
    wanted = Resources(
        memory=64 << 20, nano_cpus=1_500_000_000, pids=20, cpuset_cpus="0", ulimits=(Ulimit("nofile", 1, 2),)
    )
    config = built(ContainerSpec("i", resources=wanted))
    limits = config["linux"]["resources"]
    assert limits["memory"] == {"limit": 64 << 20, "swap": 128 << 20}
    assert limits["cpu"] == {"period": 100_000, "quota": 150_000, "cpus": "0"}
    assert limits["pids"] == {"limit": 20}
    assert config["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]


def test_every_daemon_has_cgroups_of_its_own() -> None:
    assert built()["linux"]["cgroupsPath"] == f"/fairlead-1/{ID}"
    assert built(ContainerSpec("i", cgroup_parent="mine"))["linux"]["cgroupsPath"] == f"/mine/{ID}"


def test_low_ports_are_free_in_a_network_of_ones_own() -> None:
    key = "net.ipv4.ip_unprivileged_port_start"
    assert built()["linux"]["sysctl"][key] == "0"
    assert built(ContainerSpec("i", sysctls={key: "80"}))["linux"]["sysctl"][key] == "80"
    assert key not in built(netns="")["linux"]["sysctl"]
    assert key not in built(ContainerSpec("i", network=NetworkingSpec(mode="container:x")))["linux"]["sysctl"]


def test_deeper_mounts_come_later_and_the_users_own_win() -> None:
    points = (
        MountPoint("bind", "/b", "/data/sub", ("rbind",)),
        MountPoint("bind", "/a", "/data", ("rbind",)),
        MountPoint("tmpfs", "tmpfs", "/dev/shm", ("size=1m",)),
    )
    config = built(mounts=points)
    targets = [mount["destination"] for mount in config["mounts"]]
    assert targets.index("/data") < targets.index("/data/sub")
    assert targets.count("/dev/shm") == 1
    assert mounts(config)["/dev/shm"] == ["size=1m"]


@pytest.mark.parametrize(
    ("option", "set_"),
    [("no-new-privileges", True), ("no-new-privileges=false", False), ("no-new-privileges:true", True)],
)
def test_no_new_privileges(option: str, set_: bool) -> None:
    assert built(ContainerSpec("i", security_opt=(option,)))["process"]["noNewPrivileges"] is set_


def test_init_stands_before_the_command() -> None:
    config = built(init="/usr/bin/tini-static")
    assert config["process"]["args"] == ["/sbin/docker-init", "--", "top"]
    assert mounts(config)["/sbin/docker-init"] == ["bind", "ro"]


def test_a_shared_mount_needs_a_shared_root() -> None:
    point = MountPoint("bind", "/a", "/a", ("rbind", "rshared"))
    assert built(mounts=(point,))["linux"]["rootfsPropagation"] == "shared"
    assert "rootfsPropagation" not in built()["linux"]


def test_a_terminal_has_its_size_from_the_start() -> None:
    spec = ContainerSpec("i", tty=True, console_size=(24, 80))
    assert built(spec)["process"]["consoleSize"] == {"height": 24, "width": 80}


def test_cgroup_namespaces_follow_the_host() -> None:
    unified = replace(HOST, unified_cgroups=True)
    assert "cgroup" in namespaces(build(launch(), Identity(), unified))
    assert "cgroup" not in namespaces(build(launch(ContainerSpec("i", cgroupns_mode="host")), Identity(), unified))
    assert "cgroup" in namespaces(build(launch(ContainerSpec("i", cgroupns_mode="private")), Identity(), HOST))
