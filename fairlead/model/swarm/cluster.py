"""The swarm itself: its settings, its trust, its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from fairlead.model.swarm.template import SECOND, LogDriver

HOUR = 3600 * SECOND
DEFAULT_POOLS = (IPv4Network("10.0.0.0/8"),)
GOSSIP, IPSEC = "networking:gossip", "networking:ipsec"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """`docker swarm update` changes these. `history_limit` below 0 keeps every task."""

    name: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    history_limit: int = 5
    heartbeat: int = 5 * SECOND
    cert_expiry: int = 90 * 24 * HOUR
    snapshot_interval: int = 10_000
    keep_old_snapshots: int = 0
    election_tick: int = 10
    heartbeat_tick: int = 1
    log_entries_for_slow_followers: int = 500
    autolock: bool = False
    log_driver: LogDriver | None = None
    ca_force_rotate: int = 0


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key of the data or control plane, hex. `lamport` orders the keys of a `subsystem`: the middle one of three is
    the primary, the newest is known before it is used, the oldest is still accepted."""

    subsystem: str
    lamport: int
    key: str


@dataclass(frozen=True, slots=True)
class GossipKey:
    """A key of gossip or of IPsec as nodes need it."""

    key: EncryptionKey
    primary: bool


@dataclass(frozen=True, slots=True)
class JoinTokens:
    worker: str = ""
    manager: str = ""


@dataclass(frozen=True, slots=True)
class RootCa:
    """PEM texts. `key` is the private key of `cert`. While a rotation is on, `previous` is trusted beside `cert`, and
    `cross` is `cert` as `previous` signed it; it is over when every node has a certificate of `cert`."""

    cert: str = ""
    key: str = ""
    digest: str = ""
    previous: str = ""
    cross: str = ""
    last_forced: int = 0

    @property
    def rotating(self) -> bool:
        return bool(self.previous)

    @property
    def trust(self) -> str:
        """What nodes shall believe."""
        return self.cert + self.previous


@dataclass(frozen=True, slots=True)
class Cluster:
    """`pools` are where networks without a subnet take /`subnet_size` from, () when nobody chose them. `keys_rotated`
    is when the encryption keys were made anew; `lamport` is the newest key's time."""

    id: str
    spec: ClusterSpec = field(default_factory=ClusterSpec)
    pools: tuple[IPv4Network, ...] = ()
    subnet_size: int = 24
    data_path_port: int = 4789
    root: RootCa = field(default_factory=RootCa)
    tokens: JoinTokens = field(default_factory=JoinTokens)
    unlock_keys: tuple[str, ...] = ()
    keys: tuple[EncryptionKey, ...] = ()
    keys_rotated: int = 0
    lamport: int = 0
    version: int = 0
    created: int = 0
    updated: int = 0

    @property
    def address_pools(self) -> tuple[IPv4Network, ...]:
        return self.pools or DEFAULT_POOLS
