"""Devices for containers: what `--device` and `--privileged` put in `linux.devices` and the device cgroup."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fairlead.model.container import Device
from fairlead.model.errors import Failed, Invalid

Json = dict[str, Any]

_RULE = re.compile(r"([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})")
# A container has its own of these: terminals, shared memory, message queues, and what conmon or runc sets up.
_OWN = frozenset({"pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev", "ptmx", "log"})
DENY_ALL: Json = {"allow": False, "access": "rwm"}


def rules(devices: Sequence[Device], extra: Sequence[str], privileged: bool) -> list[Json]:
    """The device cgroup: deny everything (runc adds the standard devices), then what was asked for."""
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    allowed = [_allow(node, device.permissions) for device in devices for node in _nodes(device)]
    return [DENY_ALL, *allowed, *map(_parse_rule, extra)]


def nodes(devices: Sequence[Device], privileged: bool) -> list[Json]:
    """`linux.devices`: nodes to make in the container's /dev."""
    if privileged:
        return list(_host_devices(Path("/dev")))
    return [node for device in devices for node in _nodes(device)]


def _nodes(device: Device) -> Iterator[Json]:
    """The node itself, or every node below a directory."""
    source = Path(device.host_path)
    try:
        mode = source.stat().st_mode
    except OSError as error:
        raise Failed(
            f'error gathering device information while adding custom device "{device.host_path}": '
            "no such file or directory"
        ) from error
    if stat.S_ISDIR(mode):
        found = [*_below(source, Path(device.container_path))]
        yield from found
        if found:
            return
    node = _node(source, device.container_path)
    if node is None:
        raise Failed(
            f'error gathering device information while adding custom device "{device.host_path}": not a device node'
        )
    yield node


def _below(folder: Path, target: Path) -> Iterator[Json]:
    """Every device node below a directory; what is none is left out."""
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink():
            yield from _below(child, target / child.name)
        elif child.exists() and (node := _node(child, str(target / child.name))) is not None:
            yield node


def _node(source: Path, path: str) -> Json | None:
    info = source.stat()
    if stat.S_ISCHR(info.st_mode):
        kind = "c"
    elif stat.S_ISBLK(info.st_mode):
        kind = "b"
    else:
        return None
    return {
        "type": kind,
        "path": path,
        "major": os.major(info.st_rdev),
        "minor": os.minor(info.st_rdev),
        "fileMode": stat.S_IMODE(info.st_mode),
        "uid": info.st_uid,
        "gid": info.st_gid,
    }


def _host_devices(folder: Path) -> Iterator[Json]:
    for entry in sorted(folder.iterdir()):
        if entry.name in _OWN or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _host_devices(entry)
        elif (node := _node(entry, str(entry))) is not None:
            yield node


def _allow(node: Json, permissions: str) -> Json:
    return {
        "allow": True,
        "type": node["type"],
        "major": node["major"],
        "minor": node["minor"],
        "access": permissions,
    }


def _parse_rule(text: str) -> Json:
    matched = _RULE.fullmatch(text)
    if matched is None:
        raise Invalid(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = matched.groups()
    rule: Json = {"allow": True, "type": kind, "access": access}
    for name, number in (("major", major), ("minor", minor)):
        if number != "*":
            rule[name] = int(number)
    return rule
