"""Linux capabilities: which a container gets by default, and what `--cap-add`/`--cap-drop` make of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fairlead.model.errors import Invalid

ALL = "ALL"

# capabilities(7), in the kernel's numbering: the index is the bit.
_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT "
    "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL "
    "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
_DEFAULT_NAMES = (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT "
    "KILL AUDIT_WRITE"
)
KNOWN = tuple(f"CAP_{name}" for name in _NAMES.split())
DEFAULT = tuple(f"CAP_{name}" for name in _DEFAULT_NAMES.split())


def normalize(names: Sequence[str]) -> tuple[str, ...]:
    """Upper case with the CAP_ prefix. Raises Invalid for an unknown one, in Docker's words."""
    result = []
    for name in names:
        upper = name.upper()
        full = upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"
        if full != ALL and full not in KNOWN:
            raise Invalid(f'invalid capability: unknown capability: "{full}"')
        result.append(full)
    return tuple(result)


def effective(add: Sequence[str], drop: Sequence[str], privileged: bool, available: Sequence[str]) -> tuple[str, ...]:
    """The set that a container runs with.

    `add: ALL` means all but the dropped ones, `drop: ALL` only the added ones; otherwise the default
    set with additions and without drops. What the host's kernel does not have is left out.
    """
    if privileged:
        return tuple(available)
    added, dropped = set(normalize(add)), set(normalize(drop))
    if ALL in added:
        chosen = set(available)
        chosen -= dropped
    elif ALL in dropped:
        chosen = added
    else:
        chosen = (set(DEFAULT) - dropped) | added
    return tuple(name for name in available if name in chosen)


def available_here() -> tuple[str, ...]:
    """What this process may hand on: its bounding set."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return tuple(name for index, name in enumerate(KNOWN) if bits >> index & 1)
    return KNOWN
