"""What a lab remembers between two commands: one JSON file, written before anything is made.

`<root>/<lab>/lab.json` holds the topology, each node's pid with its start time, and the faults in force. A lab is
found again by it after the tool was killed; what the file does not know yet is found by its processes' environment.
A directory without a file that can be read is a lab of no hosts: all that can be done with it is `down`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fairlead.lab.faults import Impairment
from fairlead.lab.topology import Topology
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound

DEFAULT_ROOT = Path("/run/fairlead-lab")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


@dataclass(slots=True)
class Record:
    """`nodes` is name -> (pid, start time), `cuts` pairs of fabric ports, `apart` pairs of addresses, `impaired` by
    fabric port."""

    name: str
    topology: Topology
    daemon_flags: tuple[str, ...] = ()
    nodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    cuts: list[tuple[str, str]] = field(default_factory=list)
    apart: list[tuple[str, str]] = field(default_factory=list)
    impaired: dict[str, Impairment] = field(default_factory=dict)
    turned_forwarding_on: bool = False


def root() -> Path:
    """Where labs live; FAIRLEAD_LAB_ROOT moves it, so that two checkouts' tests do not meet."""
    return Path(os.environ.get("FAIRLEAD_LAB_ROOT", DEFAULT_ROOT))


def directory_of(name: str) -> Path:
    """Where the lab of that name lives. Refuses what is no name, for `down` removes this directory with all in it."""
    if not _NAME.fullmatch(name):
        rule = 'a letter or digit, then letters, digits, "_", "." and "-", 32 at most'
        raise Invalid(f'"{name}" cannot name a lab: use {rule}')
    return root() / name


def claim(record: Record) -> None:
    """Take the name for a new lab and write down what it will be. Raises `Conflict` when there is one already."""
    directory = directory_of(record.name)
    made = False
    while not made:
        with contextlib.suppress(FileNotFoundError):  # the root went with somebody's last lab just now
            made = _make(directory)
    save(record)


def _make(directory: Path) -> bool:
    try:
        directory.mkdir(parents=True)
    except FileExistsError:
        remedy = f'"fairlead lab down --name {directory.name}" removes it'
        raise Conflict(f'lab "{directory.name}" is up already; {remedy}') from None
    return True


def save(record: Record) -> None:
    """Write it down. Raises `Failed` when somebody removed the lab meanwhile."""
    fresh = root() / record.name / "lab.json.new"
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record, enc_hook=str)))
        fresh.replace(fresh.with_suffix(""))
    except FileNotFoundError:
        raise Failed(f'lab "{record.name}" was removed meanwhile') from None


def load(name: str) -> Record:
    directory = directory_of(name)
    try:
        return msgspec.json.decode((directory / "lab.json").read_bytes(), type=Record, dec_hook=_decode)
    except (FileNotFoundError, msgspec.DecodeError):
        if directory.is_dir():
            return Record(name, Topology())
    known = ", ".join(labs()) or "none is up"
    raise NotFound(f'no lab "{name}"; labs: {known}')


def _decode(kind: type, value: object) -> object:
    return kind(value)


def forget(directory: Path) -> None:
    """Remove a lab's directory, and the root with the last one."""
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        directory.parent.rmdir()


def labs() -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.name for path in root().iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
    return []


def processes_of(directory: Path) -> list[int]:
    """Pids of all processes that were booted for nodes below `directory`, by their environment."""
    mark = f"LAB_DIR={directory}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if any(word.startswith(mark) for word in (entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found
