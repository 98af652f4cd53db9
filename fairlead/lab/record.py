"""What a lab remembers between two commands: one JSON file, written before anything is made.

`<root>/<lab>/lab.json` holds the topology, each node's pid with its start time, and the faults in force. A lab is
found again by it after the tool was killed; what the file does not know yet is found by its processes' environment.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fairlead.lab.faults import Impairment
from fairlead.lab.topology import Topology
from fairlead.model.errors import NotFound

DEFAULT_ROOT = Path("/run/fairlead-lab")


@dataclass(slots=True)
class Record:
    """`nodes` is name -> (pid, start time), `cuts` pairs of fabric ports, `impaired` by fabric port."""

    name: str
    topology: Topology
    daemon_flags: tuple[str, ...] = ()
    nodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    cuts: list[tuple[str, str]] = field(default_factory=list)
    impaired: dict[str, Impairment] = field(default_factory=dict)
    turned_forwarding_on: bool = False


def root() -> Path:
    """Where labs live; FAIRLEAD_LAB_ROOT moves it, so that two checkouts' tests do not meet."""
    return Path(os.environ.get("FAIRLEAD_LAB_ROOT", DEFAULT_ROOT))


def save(record: Record) -> None:
    directory = root() / record.name
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / "lab.json.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record, enc_hook=str)))
    fresh.replace(directory / "lab.json")


def load(name: str) -> Record:
    try:
        text = (root() / name / "lab.json").read_bytes()
    except FileNotFoundError:
        known = ", ".join(labs()) or "none is up"
        raise NotFound(f'no lab "{name}"; labs: {known}') from None
    return msgspec.json.decode(text, type=Record, dec_hook=lambda kind, value: kind(value))


def labs() -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.parent.name for path in root().glob("*/lab.json"))
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
