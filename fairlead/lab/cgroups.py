"""Remove the control groups of a lab's containers, which outlive their processes.

A daemon's control groups are called `fairlead-<digest of its exec-root>`; each daemon writes that name into
`<exec-root>/cgroup`, which is how a lab finds exactly its own.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

HIERARCHIES = Path("/sys/fs/cgroup")


def remove_below(directory: Path) -> None:
    """Remove the groups of the daemons of all nodes below `directory`."""
    for node in directory.iterdir() if directory.is_dir() else ():
        remove_of(node)


def remove_of(node: Path) -> None:
    """Remove the groups of the daemon of one node, by its directory."""
    note = node / "exec" / "cgroup"
    name = note.read_text().strip().strip("/") if note.exists() else ""
    if name.startswith("fairlead"):
        for group in [HIERARCHIES / name, *HIERARCHIES.glob(f"*/{name}")]:
            _remove_tree(group)


def _remove_tree(group: Path, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while group.is_dir() and time.monotonic() < deadline:
        for child in sorted(group.rglob("*"), reverse=True):
            if child.is_dir():
                with contextlib.suppress(OSError):
                    child.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.02)
