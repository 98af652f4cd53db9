"""Who is connected to a container's servers: proc_pid_net(5), the tables `tcp` and `tcp6`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ESTABLISHED, CLOSE_WAIT, LISTEN = "01", "08", "0A"
OPEN = (ESTABLISHED, CLOSE_WAIT)
"""States in which a client may still wait for an answer."""
_LOOPBACK6 = "00000000000000000000000001000000"
_MAPPED = "0000000000000000FFFF0000"

_Row = tuple[str, str, str]
"""Local and remote end, as hexadecimal ADDRESS:PORT, and state."""


def is_asked(pid: int) -> bool:
    """Whether somebody else is connected to a port that is listened on in a process's network namespace."""
    rows = [row for table in ("tcp", "tcp6") for row in _rows(pid, table)]
    served = {_port(local) for local, _, state in rows if state == LISTEN}
    return any(state in OPEN and _port(local) in served and not _is_loopback(remote) for local, remote, state in rows)


def _rows(pid: int, table: str) -> Iterator[_Row]:
    try:
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
    except OSError:
        return
    for line in lines[1:]:
        _, local, remote, state, *_ = line.split()
        yield local, remote, state


def _port(end: str) -> str:
    return end.partition(":")[2]


def _is_loopback(end: str) -> bool:
    """Each 32 bits of an address are in the host's order: 127.0.0.1 is 0100007F."""
    address = end.partition(":")[0]
    return address == _LOOPBACK6 or ((len(address) == 8 or address.startswith(_MAPPED)) and address.endswith("7F"))
