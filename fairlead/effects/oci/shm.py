"""Shared memory that containers join (`--ipc shareable`): a tmpfs beside the bundle, bound into each /dev/shm."""

from __future__ import annotations

from pathlib import Path

from fairlead.effects.oci.mount import MS_NODEV, MS_NOEXEC, MS_NOSUID, detach, mount


def make_shm(path: Path, size: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if not path.is_mount():
        mount("shm", path, "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, f"mode=1777,size={size}")


def remove_shm(path: Path) -> None:
    """Unmount; nothing there is fine."""
    if path.exists() and path.is_mount():
        detach(path)
