"""The swarm as the API shows and takes it: init, join, settings, and what of these is wrong in any state of a node."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, ip_network

from msgspec import Struct, field

from fairlead.api.schema.node import tls_json
from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.engine.swarm.settings import Trust
from fairlead.model.errors import Failed, Invalid, Unsupported
from fairlead.model.swarm.cluster import Cluster, ClusterSpec
from fairlead.model.swarm.node import ACTIVE
from fairlead.model.swarm.orders import GivenRoot, InitOrder, JoinOrder, Whereabouts
from fairlead.model.swarm.template import LogDriver

DATA_PATH_PORTS = range(1024, 49152)
DEFAULT_DATA_PATH_PORT = 4789
DEFAULT_SUBNET_SIZE, LONGEST_PREFIX = 24, 29
_TOKEN = re.compile(r"SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}")


# --- settings -------------------------------------------------------------------------------------


class Orchestration(Struct):
    TaskHistoryRetentionLimit: int | None = None


class Raft(Struct):
    SnapshotInterval: int | None = None
    KeepOldSnapshots: int | None = None
    LogEntriesForSlowFollowers: int | None = None
    ElectionTick: int = 0
    HeartbeatTick: int = 0


class Dispatcher(Struct):
    HeartbeatPeriod: int | None = None


class ExternalCa(Struct):
    Protocol: str = ""
    URL: str = ""


class CaConfig(Struct):
    NodeCertExpiry: int | None = None
    ExternalCAs: list[ExternalCa] | None = None
    SigningCACert: str = ""
    SigningCAKey: str = ""
    ForceRotate: int = 0


class LogDriverBody(Struct):
    Name: str = ""
    Options: dict[str, str] | None = None


class TaskDefaults(Struct):
    LogDriver: LogDriverBody | None = None


class Encryption(Struct):
    AutoLockManagers: bool = False


class SwarmSpec(Struct):
    """`Spec` of init, and what `/swarm/update` takes. What is missing or 0 is as it is by default."""

    Name: str = ""
    Labels: dict[str, str] | None = None
    Orchestration: Orchestration = field(default_factory=Orchestration)
    Raft: Raft = field(default_factory=Raft)
    Dispatcher: Dispatcher = field(default_factory=Dispatcher)
    CAConfig: CaConfig = field(default_factory=CaConfig)
    TaskDefaults: TaskDefaults = field(default_factory=TaskDefaults)
    EncryptionConfig: Encryption = field(default_factory=Encryption)

    def spec(self) -> ClusterSpec:
        if self.CAConfig.ExternalCAs:
            raise Unsupported("Fairlead signs the certificates of its nodes itself: ExternalCAs are not supported")
        usual, driver = ClusterSpec(), self.TaskDefaults.LogDriver
        raft, history = self.Raft, self.Orchestration.TaskHistoryRetentionLimit
        return ClusterSpec(
            name=self.Name or usual.name,
            labels=self.Labels or {},
            history_limit=usual.history_limit if history is None else history,
            heartbeat=self.Dispatcher.HeartbeatPeriod or usual.heartbeat,
            cert_expiry=self.CAConfig.NodeCertExpiry or usual.cert_expiry,
            snapshot_interval=raft.SnapshotInterval or usual.snapshot_interval,
            keep_old_snapshots=raft.KeepOldSnapshots or usual.keep_old_snapshots,
            log_entries_for_slow_followers=raft.LogEntriesForSlowFollowers or usual.log_entries_for_slow_followers,
            election_tick=raft.ElectionTick or usual.election_tick,
            heartbeat_tick=raft.HeartbeatTick or usual.heartbeat_tick,
            autolock=self.EncryptionConfig.AutoLockManagers,
            log_driver=LogDriver(driver.Name, driver.Options or {}) if driver is not None else None,
            ca_force_rotate=self.CAConfig.ForceRotate,
        )

    def given_root(self) -> GivenRoot:
        certificate, key = self.CAConfig.SigningCACert, self.CAConfig.SigningCAKey
        if bool(certificate) != bool(key):
            raise Invalid("a CA certificate and its key must be given together: SigningCACert and SigningCAKey")
        return GivenRoot(certificate, key)


def cluster_json(cluster: Cluster, trust: Trust) -> Json:
    """As `/info` shows it."""
    return meta_json(cluster) | {
        "Spec": _spec_json(cluster.spec),
        "TLSInfo": tls_json(trust),
        "RootRotationInProgress": cluster.root.rotating,
        "DefaultAddrPool": [str(pool) for pool in cluster.pools] or None,
        "SubnetSize": cluster.subnet_size,
        "DataPathPort": cluster.data_path_port,
    }


def swarm_json(cluster: Cluster, trust: Trust) -> Json:
    """As `/swarm` shows it: the tokens too."""
    tokens = {"Worker": cluster.tokens.worker, "Manager": cluster.tokens.manager}
    return cluster_json(cluster, trust) | {"JoinTokens": tokens}


def _spec_json(spec: ClusterSpec) -> Json:
    driver = spec.log_driver
    defaults = {"LogDriver": given({"Name": driver.name, "Options": dict(driver.options)})} if driver else {}
    return {
        "Name": spec.name,
        "Labels": dict(spec.labels),
        "Orchestration": {"TaskHistoryRetentionLimit": spec.history_limit},
        "Raft": {
            "SnapshotInterval": spec.snapshot_interval,
            "KeepOldSnapshots": spec.keep_old_snapshots,
            "LogEntriesForSlowFollowers": spec.log_entries_for_slow_followers,
            "ElectionTick": spec.election_tick,
            "HeartbeatTick": spec.heartbeat_tick,
        },
        "Dispatcher": {"HeartbeatPeriod": spec.heartbeat},
        "CAConfig": {"NodeCertExpiry": spec.cert_expiry, **given({"ForceRotate": spec.ca_force_rotate})},
        "TaskDefaults": defaults,
        "EncryptionConfig": {"AutoLockManagers": spec.autolock},
    }


# --- in -------------------------------------------------------------------------------------------


class SwarmInit(Struct):
    ListenAddr: str = ""
    AdvertiseAddr: str = ""
    DataPathAddr: str = ""
    DataPathPort: int = 0
    ForceNewCluster: bool = False
    Spec: SwarmSpec = field(default_factory=SwarmSpec)
    AutoLockManagers: bool = False
    Availability: str = ""
    DefaultAddrPool: list[str] | None = None
    SubnetSize: int = 0

    def order(self) -> InitOrder:
        """Raises with Docker's words and status."""
        _check_listen_address(self.ListenAddr)
        if self.DataPathPort and self.DataPathPort not in DATA_PATH_PORTS:
            ports = f"{DATA_PATH_PORTS.start}-{DATA_PATH_PORTS.stop - 1}"
            raise Failed(f"Datapath port number is not in valid range ({ports}) : {self.DataPathPort}")
        if self.SubnetSize < 0 or self.SubnetSize > LONGEST_PREFIX:
            raise Failed(f"subnet size is out of range: {self.SubnetSize}")
        size = self.SubnetSize or DEFAULT_SUBNET_SIZE
        return InitOrder(
            where=Whereabouts(self.ListenAddr, self.AdvertiseAddr, self.DataPathAddr),
            spec=self.Spec.spec(),
            data_path_port=self.DataPathPort or DEFAULT_DATA_PATH_PORT,
            pools=_pools(self.DefaultAddrPool or (), size),
            subnet_size=size,
            availability=(self.Availability or ACTIVE).lower(),
            force_new=self.ForceNewCluster,
            root=self.Spec.given_root(),
        )


class SwarmJoin(Struct):
    ListenAddr: str = ""
    AdvertiseAddr: str = ""
    DataPathAddr: str = ""
    RemoteAddrs: list[str] | None = None
    JoinToken: str = ""
    Availability: str = ""

    def order(self) -> JoinOrder:
        _check_listen_address(self.ListenAddr)
        if not self.RemoteAddrs:
            raise Invalid("at least one RemoteAddr is required to join")
        if not _TOKEN.fullmatch(self.JoinToken):
            raise Failed("invalid join token")
        return JoinOrder(
            remotes=tuple(self.RemoteAddrs),
            token=self.JoinToken,
            where=Whereabouts(self.ListenAddr, self.AdvertiseAddr, self.DataPathAddr),
            availability=(self.Availability or ACTIVE).lower(),
        )


class SwarmUnlock(Struct):
    UnlockKey: str = ""


def _check_listen_address(address: str) -> None:
    if not address:
        raise Invalid('invalid ListenAddr "": invalid empty address')


def _pools(texts: list[str] | tuple[()], subnet_size: int) -> tuple[IPv4Network, ...]:
    pools: list[IPv4Network] = []
    for text in texts:
        pool = _pool(text, subnet_size)
        if (other := next((one for one in pools if one.overlaps(pool)), None)) is not None:
            raise Invalid(f"invalid CIDR: {pool} overlaps with {other}")
        pools.append(pool)
    return tuple(pools)


def _pool(text: str, subnet_size: int) -> IPv4Network:
    try:
        pool = ip_network(text)
    except ValueError as error:
        raise Invalid(f"invalid CIDR address: {text}") from error
    if not isinstance(pool, IPv4Network):
        raise Invalid(f'invalid CIDR: "{text}": the default address pools of a swarm are IPv4')
    if subnet_size < pool.prefixlen:
        raise Failed(f'invalid CIDR: "{text}". Subnet size is too small for pool: {subnet_size}')
    return pool
