"""Plans: what to do to the kernel, as values.

A driver decides and returns a `Plan`; `fairlead.effects.kernel.apply` does it, in order, and on a
failure undoes what it did by each operation's `inverse()`. An operation whose target is already as
wanted is *not* undone, because it changed nothing.

Namespaces are named by the path of their file (`<exec-root>/netns/<id12>`); `HOST` is the daemon's
own. Names of operations follow rtnetlink. Removal is idempotent: a missing object is success.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.network import Address, Subnet
from fairlead.model.ruleset import Transaction
from fairlead.model.servers import ServerKey, VirtualServer

HOST = ""
MAIN = 254
"""The number of the main routing table."""

EVERYBODY = "00:00:00:00:00:00"
Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class AddNamespace:
    """A namespace of a network's own, kept under the file `ns`."""

    ns: str

    def inverse(self) -> DelNamespace:
        return DelNamespace(self.ns)


@dataclass(frozen=True, slots=True)
class DelNamespace:
    """Forget it; its links die with it, a moment later."""

    ns: str

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AddBridge:
    """A bridge. `options` are IFLA_BR_* attributes by their lower-case name ("forward_delay": 0)."""

    name: str
    mac: str = ""
    mtu: int = 1500
    alias: str = ""
    ns: str = HOST
    options: Mapping[str, int] = field(default_factory=dict)

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.ns)


@dataclass(frozen=True, slots=True)
class AddVeth:
    """A veth pair in one message: `name` in `ns` (up, enslaved to `master`), its peer inside `peer_ns`.

    The peer is created under its final name and MAC and is still down (the kernel refuses more).
    `port` are IFLA_BRPORT_* attributes of the host end ("isolated": 1, "learning": 0).
    """

    name: str
    peer: str
    peer_ns: str
    peer_mac: str = ""
    master: str = ""
    mtu: int = 1500
    alias: str = ""
    ns: str = HOST
    port: Mapping[str, int] = field(default_factory=dict)

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.ns)


@dataclass(frozen=True, slots=True)
class AddMacvlan:
    """A macvlan or ipvlan (`kind`) of `parent` made directly inside `peer_ns` under its final name."""

    kind: str
    name: str
    parent: str
    peer_ns: str
    mode: str
    flag: str = ""
    mac: str = ""
    mtu: int = 0
    ns: str = HOST

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.peer_ns)


@dataclass(frozen=True, slots=True)
class AddVlan:
    """An 802.1q sub-interface `name` of `parent` with `vlan` id."""

    name: str
    parent: str
    vlan: int
    alias: str = ""
    ns: str = HOST

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.ns)


@dataclass(frozen=True, slots=True)
class AddDummy:
    name: str
    alias: str = ""
    ns: str = HOST

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.ns)


@dataclass(frozen=True, slots=True)
class PortBlock:
    """The ports whose bits under `mask` are those of `base`; the mask's other bits are its last."""

    base: int
    mask: int

    @property
    def last(self) -> int:
        return self.base | ~self.mask & 0xFFFF


@dataclass(frozen=True, slots=True)
class AddVxlan:
    """A VXLAN device with static FDB: no learning, answers ARP and ND for known neighbours (`proxy`). Its packets come
    from ports of `sources`, if any are named, one for each flow."""

    name: str
    vni: int
    port: int
    local: Address
    link: str = ""
    mtu: int = 1450
    alias: str = ""
    ns: str = HOST
    underlay_ns: str = HOST
    sources: PortBlock | None = None

    def inverse(self) -> DelLink:
        return DelLink(self.name, self.ns)


@dataclass(frozen=True, slots=True)
class DelLink:
    """Remove an interface. `deferred` puts it into the doomed group: gone within ~50 ms, answered at once."""

    name: str
    ns: str = HOST
    deferred: bool = False

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class SetLink:
    """Change an interface that exists; None leaves a property alone. Empty `master` frees it."""

    name: str
    ns: str = HOST
    up: bool | None = None
    mtu: int | None = None
    mac: str | None = None
    master: str | None = None
    rename: str | None = None
    alias: str | None = None
    port: Mapping[str, int] = field(default_factory=dict)

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AddAddress:
    """An address of `link`, with its prefix. IPv6 addresses skip DAD (`nodad`): the engine leases each once."""

    link: str
    address: Interface
    ns: str = HOST

    def inverse(self) -> DelAddress:
        return DelAddress(self.link, self.address, self.ns)


@dataclass(frozen=True, slots=True)
class DelAddress:
    link: str
    address: Interface
    ns: str = HOST

    def inverse(self) -> AddAddress:
        return AddAddress(self.link, self.address, self.ns)


@dataclass(frozen=True, slots=True)
class AddRoute:
    """A route of a `table` (1 to 255). Destination None is the default route; `replace` takes the place of another."""

    destination: Subnet | None
    link: str = ""
    via: Address | None = None
    ns: str = HOST
    family: int = 4
    scope_link: bool = False
    replace: bool = True
    table: int = MAIN

    def inverse(self) -> DelRoute:
        return DelRoute(self.destination, self.link, self.via, self.ns, self.family, self.table)


@dataclass(frozen=True, slots=True)
class DelRoute:
    destination: Subnet | None
    link: str = ""
    via: Address | None = None
    ns: str = HOST
    family: int = 4
    table: int = MAIN

    def inverse(self) -> AddRoute:
        return AddRoute(self.destination, self.link, self.via, self.ns, self.family, table=self.table)


@dataclass(frozen=True, slots=True)
class AddRule:
    """Packets whose mark has the bits of `mark` among those of `mask` are routed by `table` first."""

    mark: int
    mask: int
    table: int
    ns: str = HOST
    family: int = 4

    def inverse(self) -> DelRule:
        return DelRule(self.mark, self.mask, self.table, self.ns, self.family)


@dataclass(frozen=True, slots=True)
class DelRule:
    mark: int
    mask: int
    table: int
    ns: str = HOST
    family: int = 4

    def inverse(self) -> AddRule:
        return AddRule(self.mark, self.mask, self.table, self.ns, self.family)


@dataclass(frozen=True, slots=True)
class AddNeighbour:
    """A permanent neighbour entry."""

    link: str
    address: Address
    mac: str
    ns: str = HOST

    def inverse(self) -> DelNeighbour:
        return DelNeighbour(self.link, self.address, self.ns)


@dataclass(frozen=True, slots=True)
class DelNeighbour:
    link: str
    address: Address
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AddFdb:
    """A permanent VXLAN forwarding entry: `mac` lives behind the VTEP `remote`. There may be several for `EVERYBODY`:
    what has no entry of its own is sent to each of them."""

    link: str
    mac: str
    remote: Address
    ns: str = HOST

    def inverse(self) -> DelFdb:
        return DelFdb(self.link, self.mac, self.remote, self.ns)


@dataclass(frozen=True, slots=True)
class DelFdb:
    link: str
    mac: str
    remote: Address
    ns: str = HOST

    def inverse(self) -> AddFdb:
        return AddFdb(self.link, self.mac, self.remote, self.ns)


@dataclass(frozen=True, slots=True)
class AddPortEntry:
    """A static entry in the table of the bridge whose port `link` is: `mac` lives there and nowhere else."""

    link: str
    mac: str
    ns: str = HOST

    def inverse(self) -> DelPortEntry:
        return DelPortEntry(self.link, self.mac, self.ns)


@dataclass(frozen=True, slots=True)
class DelPortEntry:
    link: str
    mac: str
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AddAssociation:
    """An ESP association in transport mode, AES-GCM with a 16-byte check: `key` is the AES key and four bytes of salt
    (RFC 4106). What stands under the same destination and SPI is the same association."""

    source: Address
    destination: Address
    spi: int
    key: bytes = field(repr=False)
    request_id: int = 0
    ns: str = HOST

    def inverse(self) -> DelAssociation:
        return DelAssociation(self.destination, self.spi, self.ns)


@dataclass(frozen=True, slots=True)
class DelAssociation:
    destination: Address
    spi: int
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AddPolicy:
    """UDP packets from ports of `sources` of `source` to `port` of `destination` leave through that association or not
    at all. Another policy for the same packets gives way.

    With SPI 0, and unspecified addresses for all, what no other policy leads anywhere does not leave; it stays if it is
    there already."""

    source: Address
    destination: Address
    port: int
    spi: int
    sources: PortBlock
    request_id: int = 0
    ns: str = HOST

    @property
    def way(self) -> tuple[Address, Address, int]:
        return self.source, self.destination, self.port

    def inverse(self) -> DelPolicy:
        return DelPolicy(self.source, self.destination, self.port, self.sources, self.ns)


@dataclass(frozen=True, slots=True)
class DelPolicy:
    source: Address
    destination: Address
    port: int
    sources: PortBlock
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class SetSysctl:
    """Write `value` to /proc/sys/`path` ("net/ipv4/conf/docker0/route_localnet") inside `ns`."""

    path: str
    value: str
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class AnnounceAddress:
    """Tell the segment where an address lives: gratuitous ARP or unsolicited NA, once."""

    link: str
    address: Address
    mac: str
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class ChangeRules:
    """One atomic nftables transaction in `ns`."""

    transaction: Transaction
    ns: str = HOST

    def inverse(self) -> ChangeRules:
        return ChangeRules(self.transaction.inverse(), self.ns)


@dataclass(frozen=True, slots=True)
class FlushFlows:
    """Forget conntrack entries whose original destination was `address`:`port`, or, with `reply`, those
    that were translated to it. Needed so that UDP finds a new owner of a port at once.

    With `last` all ports from `port` to it are meant, in one look at the flows (10 ms each on a host with a large
    table). Port 0 stands for every port, 0.0.0.0 or :: for every address of that family."""

    address: Address
    port: int
    protocol: str
    reply: bool = False
    ns: str = HOST
    last: int = 0

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class PutVirtualServer:
    """A virtual server of IPVS with this scheduler; its real servers are left alone."""

    key: ServerKey
    scheduler: str
    ns: str = HOST

    def inverse(self) -> DelVirtualServer:
        return DelVirtualServer(self.key, self.ns)


@dataclass(frozen=True, slots=True)
class DelVirtualServer:
    """Forget it with its real servers and their connections."""

    key: ServerKey
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class PutRealServer:
    """A real server behind a virtual one, with this weight."""

    key: ServerKey
    address: Address
    weight: int = 1
    ns: str = HOST

    def inverse(self) -> DelRealServer:
        return DelRealServer(self.key, self.address, self.ns)


@dataclass(frozen=True, slots=True)
class DelRealServer:
    key: ServerKey
    address: Address
    ns: str = HOST

    def inverse(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class SettleVirtualServers:
    """Exactly these virtual servers, whatever there was; connections of what stays are not touched. TCP connections
    are remembered for `patience` seconds without a packet, in all of the namespace."""

    servers: tuple[VirtualServer, ...]
    patience: int
    ns: str = HOST

    def inverse(self) -> None:
        return None


Operation = (
    AddNamespace
    | DelNamespace
    | AddBridge
    | AddVeth
    | AddMacvlan
    | AddVlan
    | AddDummy
    | AddVxlan
    | DelLink
    | SetLink
    | AddAddress
    | DelAddress
    | AddRoute
    | DelRoute
    | AddRule
    | DelRule
    | AddNeighbour
    | DelNeighbour
    | AddFdb
    | DelFdb
    | AddPortEntry
    | DelPortEntry
    | AddAssociation
    | DelAssociation
    | AddPolicy
    | DelPolicy
    | SetSysctl
    | AnnounceAddress
    | ChangeRules
    | FlushFlows
    | PutVirtualServer
    | DelVirtualServer
    | PutRealServer
    | DelRealServer
    | SettleVirtualServers
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Operations in the order in which they are done."""

    operations: tuple[Operation, ...] = ()

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.operations + other.operations)

    def __bool__(self) -> bool:
        return bool(self.operations)

    def inverse(self) -> Plan:
        """The way back: inverses in reverse order, of those operations that have one."""
        undone = (operation.inverse() for operation in reversed(self.operations))
        return Plan(tuple(operation for operation in undone if operation is not None))
