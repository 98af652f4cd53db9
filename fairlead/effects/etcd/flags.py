"""etcd's command line for one member."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.effects.etcd.transaction import MOST_OPERATIONS
from fairlead.model.swarm.consensus import ConsensusStart

HEARTBEAT, ELECTION = 200, 1000
"""Milliseconds. A leader that was lost is replaced within two election times. Heartbeats are most of what a manager
does while nothing happens; what is decided is told at once and waits for none."""

SOCKET = "client:0"
"""etcd wants a port in the name of a unix socket, and takes the name relative to its working directory."""

QUOTA = 2 << 30
LARGEST_REQUEST = 8 << 20
HISTORY = "10000"
"""Revisions that watches may go back; also the log entries between snapshots of it."""

PROCESSORS = "2"
"""On which it runs at once, unless the daemon's own GOMAXPROCS says otherwise: one that writes and one that answers.
With more an idle member takes more time and memory, and a member is not what bounds a manager."""

_UNSUPPORTED = {"aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "riscv64": "riscv64"}
"""Machines on which etcd 3.4 starts only if it is told to, in Go's words."""


@dataclass(frozen=True, slots=True)
class Places:
    """`data` is the member's data, `pem` its certificate and key in one file (replaced at once), `trust` who signed
    them, `allowed` the name that every member's certificate has."""

    data: Path
    pem: Path
    trust: Path
    allowed: str


def command(how: ConsensusStart, places: Places, *, first: bool) -> Sequence[str]:
    """argv of etcd. `first`: what applies to the first start only (`force_new` once more would throw out the members
    that joined since)."""
    listen = how.listen_url or how.peer_url
    cluster = how.initial_cluster or {how.name: how.peer_url}
    flags: Mapping[str, str] = {
        "name": how.name,
        "data-dir": str(places.data),
        "listen-client-urls": f"unix://{SOCKET}",
        "advertise-client-urls": f"unix://{SOCKET}",
        "listen-peer-urls": listen,
        "initial-advertise-peer-urls": how.peer_url,
        "initial-cluster": ",".join(f"{name}={url}" for name, url in cluster.items()),
        "initial-cluster-state": "existing" if how.join else "new",
        "initial-cluster-token": how.token or "fairlead",
        "peer-cert-file": str(places.pem),
        "peer-key-file": str(places.pem),
        "peer-trusted-ca-file": str(places.trust),
        "peer-client-cert-auth": "true",
        "peer-cert-allowed-hostname": places.allowed,
        # The name is a mark of the swarm and in nobody's DNS, and a manager may call from another of its addresses.
        "experimental-peer-skip-client-san-verification": "true",
        "heartbeat-interval": str(HEARTBEAT),
        "election-timeout": str(ELECTION),
        "pre-vote": "true",
        "strict-reconfig-check": "false",
        "quota-backend-bytes": str(QUOTA),
        "max-request-bytes": str(LARGEST_REQUEST),
        "max-txn-ops": str(MOST_OPERATIONS),
        "auto-compaction-mode": "revision",
        "auto-compaction-retention": HISTORY,
        "snapshot-count": HISTORY,
        "logger": "zap",
        "log-outputs": "stderr",
        "log-level": "info",  # elections are told at this level
        **({"force-new-cluster": "true"} if how.force_new and first else {}),
    }
    return "etcd", *(f"--{name}={value}" for name, value in flags.items())


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What etcd starts with. It would take any ETCD_* of the daemon's environment for settings of its own."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("ETCD_")}
    machine = _UNSUPPORTED.get(platform.machine())
    return {"GOMAXPROCS": PROCESSORS} | kept | ({"ETCD_UNSUPPORTED_ARCH": machine} if machine else {})
