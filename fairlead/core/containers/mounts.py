"""What is mounted in a container: `-v`, `--mount`, `--tmpfs` and the image's volumes, as one list and for mount(8).

A later rule for the same target wins over the image's anonymous volume; two explicit ones are refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace

from fairlead.model.container import ContainerSpec, Mount
from fairlead.model.errors import Invalid
from fairlead.model.runtime import MountPoint
from fairlead.model.volume import is_volume_name

BIND, VOLUME, TMPFS = "bind", "volume", "tmpfs"
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_LABELS = frozenset({"z", "Z"})
_CONSISTENCY = frozenset({"consistent", "cached", "delegated"})
DEFAULT_TMPFS = ("noexec", "nosuid", "nodev")


def parse_bind(text: str, volume_driver: str = "") -> Mount:
    """One `-v`/`Binds` entry: `source:target[:options]`. Raises Invalid with Docker's words."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not parts[0] or not parts[1]:
        raise Invalid(f"invalid volume specification: '{text}'")
    source, target = parts[0], parts[1]
    if not target.startswith("/"):
        raise _bad(text, f"invalid mount config: invalid mount path: '{target}' mount path must be absolute")
    if posixpath.normpath(target) == "/":
        raise _bad(text, "invalid mount config: destination can't be '/'")
    kind = BIND if source.startswith("/") else VOLUME
    if kind == VOLUME and not is_volume_name(source):
        raise Invalid(
            f'"{source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are '
            "allowed. If you intended to pass a host directory, use absolute path"
        )
    mount = Mount(kind, posixpath.normpath(target), source, mode=parts[2] if len(parts) == 3 else "")
    if kind == VOLUME:
        mount = replace(mount, driver=volume_driver)
    return _with_mode(mount, text)


def _bad(text: str, reason: str) -> Invalid:
    return Invalid(f"invalid volume specification: '{text}': {reason}")


def _with_mode(mount: Mount, text: str) -> Mount:
    """Options after the second colon: access, propagation, labels (accepted: no SELinux here), copying."""
    seen_access = False
    read_only, propagation, no_copy = False, "", False
    for option in filter(None, mount.mode.split(",")):
        if option in ("ro", "rw") and not seen_access:
            read_only, seen_access = option == "ro", True
        elif option in _PROPAGATIONS and mount.kind == BIND and not propagation:
            propagation = option
        elif option == "nocopy" and mount.kind == VOLUME:
            no_copy = True
        elif option not in _LABELS | _CONSISTENCY:
            raise _bad(text, f"invalid mode: {mount.mode}")
    return replace(
        mount, read_only=read_only, propagation=propagation, no_copy=no_copy, create_source=mount.kind == BIND
    )


def gather(spec: ContainerSpec, image_volumes: Iterable[str]) -> tuple[Mount, ...]:
    """All mounts of a container by target. Volumes without a name have an empty `source`: the engine names them."""
    explicit: dict[str, Mount] = {}
    binds = [parse_bind(text, spec.volume_driver) for text in spec.binds]
    tmpfs = [Mount(TMPFS, _tmpfs_target(target), tmpfs_options=options) for target, options in spec.tmpfs.items()]
    for mount in (*binds, *spec.mounts, *tmpfs):
        if mount.target in explicit:
            raise Invalid(f"Duplicate mount point: {mount.target}")
        explicit[mount.target] = mount
    anonymous = (posixpath.normpath(target) for target in image_volumes)
    return (
        *explicit.values(),
        *(Mount(VOLUME, target, driver=spec.volume_driver) for target in anonymous if target not in explicit),
    )


def _tmpfs_target(target: str) -> str:
    """Raises Invalid for what is no place of its own in the container."""
    if not target.startswith("/"):
        raise Invalid(f"invalid mount path: '{target}' mount path must be absolute")
    clean = f"/{posixpath.normpath(target).lstrip('/')}"
    if clean == "/":
        raise Invalid("invalid specification: destination can't be '/'")
    return clean


def borrowed_access(mode: str) -> str:
    """The "ro" or "rw" of a mode of `--volumes-from`, "" when it has none. Raises Invalid."""
    options = mode.split(",") if mode else []
    access = [option for option in options if option in ("ro", "rw")]
    if len(access) > 1 or any(option not in {"ro", "rw", "nocopy"} | _LABELS for option in options):
        raise Invalid(f"invalid mode: {mode}")
    return access[0] if access else ""


def point(mount: Mount, place: str = "") -> MountPoint:
    """The mount as the runtime makes it; `place` is where a volume, or the wanted part of it, is on the host."""
    if mount.kind == TMPFS:
        return MountPoint(TMPFS, "tmpfs", mount.target, _tmpfs_options(mount))
    source = place if mount.kind == VOLUME else mount.source
    options = ("rbind", mount.propagation or "rprivate", *(("ro",) if mount.read_only else ()))
    return MountPoint(BIND, source, mount.target, options)


def _tmpfs_options(mount: Mount) -> tuple[str, ...]:
    options = [*DEFAULT_TMPFS]
    for option in filter(None, mount.tmpfs_options.split(",")):
        opposite = {"exec": "noexec", "suid": "nosuid", "dev": "nodev"}.get(option)
        if opposite in options:
            options.remove(opposite)
        options.append(option)
    if mount.tmpfs_size:
        options.append(f"size={mount.tmpfs_size}")
    if mount.tmpfs_mode:
        options.append(f"mode={mount.tmpfs_mode:o}")
    if mount.read_only:
        options.append("ro")
    return tuple(dict.fromkeys(options))
