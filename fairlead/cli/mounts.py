"""`--mount`, `-v` and `--tmpfs` in the API's words."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable

from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json
from fairlead.cli.format.units import parse_size

_NAMES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def mounts_of(specs: Iterable[str]) -> list[Json]:
    return [_mount(spec) for spec in specs]


def _mount(spec: str) -> Json:
    fields: dict[str, str] = {"type": "volume"}
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    for word in next(csv.reader([spec])):
        key, _, value = word.partition("=")
        key = _NAMES.get(key.lower(), key.lower())
        if key in ("volume-label", "volume-opt"):
            name, _, option = value.partition("=")
            (labels if key == "volume-label" else options)[name] = option
        elif key in _KNOWN:
            fields[key] = value if "=" in word else "true"
        else:
            raise Fault(f"unexpected key '{key}' in '{word}'", USAGE)
    if "target" not in fields:
        raise Fault('invalid mount config: field "target" is required', USAGE)
    return _json(fields, labels, options)


_KNOWN = frozenset(
    {"type", "source", "target", "readonly", "consistency", "bind-propagation", "bind-nonrecursive", "bind-create-src"}
    | {"volume-driver", "volume-nocopy", "volume-subpath", "tmpfs-size", "tmpfs-mode"}
)


def _json(fields: dict[str, str], labels: dict[str, str], options: dict[str, str]) -> Json:
    kind = fields["type"]
    source = fields.get("source", "")
    if kind == "bind" and source:
        source = os.path.abspath(source)
    mount: Json = {"Type": kind, "Source": source, "Target": fields["target"], "ReadOnly": _yes(fields, "readonly")}
    if kind == "bind":
        mount["BindOptions"] = {
            "Propagation": fields.get("bind-propagation", ""),
            "NonRecursive": _yes(fields, "bind-nonrecursive"),
            "CreateMountpoint": _yes(fields, "bind-create-src"),
        }
    elif kind == "volume":
        mount["VolumeOptions"] = {
            "NoCopy": _yes(fields, "volume-nocopy"),
            "Labels": labels,
            "DriverConfig": {"Name": fields.get("volume-driver", ""), "Options": options},
            "Subpath": fields.get("volume-subpath", ""),
        }
    elif kind == "tmpfs":
        mount["TmpfsOptions"] = {
            "SizeBytes": parse_size(fields["tmpfs-size"]) if "tmpfs-size" in fields else 0,
            "Mode": int(fields.get("tmpfs-mode", "0"), 8),
        }
    return mount


def _yes(fields: dict[str, str], name: str) -> bool:
    return fields.get(name, "false").lower() in ("true", "1")


def split_volumes(specs: Iterable[str]) -> tuple[list[str], dict[str, Json]]:
    """(binds, anonymous volumes) of `-v`; a relative source becomes absolute."""
    binds: list[str] = []
    anonymous: dict[str, Json] = {}
    for spec in specs:
        source, separator, rest = spec.partition(":")
        if not separator:
            anonymous[spec] = {}
        elif source.startswith((".", "~")):
            binds.append(f"{os.path.abspath(os.path.expanduser(source))}:{rest}")
        else:
            binds.append(spec)
    return binds, anonymous


def tmpfs_of(specs: Iterable[str]) -> dict[str, str]:
    return {path: options for path, _, options in (spec.partition(":") for spec in specs)}
