"""nftables in its own words, as values.

Rules are built once per table and stay constant; what changes with networks, endpoints and ports are
*elements* of sets and maps (12 us each at any size). The values here are compiled to nf_tables netlink by
`fairlead.effects.kernel.nft`, and interpreted by `fairlead.core.firewall.fate`, so a test can ask
what becomes of a packet without a kernel.

A rule is a tuple of statements. Matches come first, a verdict or a translation last, as nft prints them.

Types of keys and data, by nft's names and what stands for them in Python:
`ipv4_addr` IPv4Address or IPv4Network, `ipv6_addr` likewise, `inet_proto` int, `inet_service` int,
`vxlan_id` int, `ifname` str, `mark` int, `ether_addr` str, `verdict` a `Verdict`. `Interval(low, high)` stands for a
range in a set or map whose flags hold "interval". A concatenation is a tuple.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Scalar = int | str | IPv4Address | IPv6Address | IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends included."""

    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accept`, `drop`, `continue`, `return`, or `jump`/`goto` to a `chain`."""

    kind: str
    chain: str = ""


ACCEPT, DROP, RETURN = Verdict("accept"), Verdict("drop"), Verdict("return")

Value = Scalar | Interval
Key = tuple[Value, ...]
Data = tuple[Scalar, ...] | Verdict | None


# --- what a rule looks at -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meta:
    """`iifname`, `oifname`, `l4proto`, `nfproto` (2 or 10), `mark`, `pkttype`, `iiftype`, `ipsec` (1: it came out of
    encryption)."""

    key: str


@dataclass(frozen=True, slots=True)
class Payload:
    """A header field: ("ip", "saddr"), ("ip6", "daddr"), ("th", "dport"), ("tcp", "flags"), ("ether", "saddr"),
    ("ether", "type"), ("arp", "saddr ip"), ("icmpv6", "type"), ("udp", "dport"), ("vxlan", "vni")."""

    header: str
    field: str


@dataclass(frozen=True, slots=True)
class Ct:
    """`state`, `status`, `mark`, `direction`, `original daddr` ("ip" or "ip6" by `family`),
    `original proto-dst`, `original saddr`."""

    key: str
    family: str = ""


@dataclass(frozen=True, slots=True)
class Rt:
    """Of the route that was found: `ipsec`, 1 when it leads through encryption."""

    key: str


@dataclass(frozen=True, slots=True)
class Fib:
    """`fib <flags> <result>`, such as Fib(("daddr",), "type") or Fib(("daddr", "iif"), "type").

    Compare a "type" with the words "local", "unicast", "broadcast", "multicast"."""

    flags: tuple[str, ...]
    result: str


@dataclass(frozen=True, slots=True)
class Numgen:
    """`numgen random|inc mod <modulus>`."""

    kind: str
    modulus: int


@dataclass(frozen=True, slots=True)
class Jhash:
    """`jhash <fields> mod <modulus> seed <seed>`."""

    fields: tuple[Payload, ...]
    modulus: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MapLookup:
    """The data of map `name` for the concatenated `key`; a miss ends the rule."""

    key: tuple[Selector, ...]
    name: str


Selector = Meta | Payload | Ct | Rt | Fib | Numgen | Jhash | MapLookup


# --- what a rule does -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """`selector op value`; op is "==", "!=", "in" or "not in" (value then a tuple: an anonymous set),
    or "&" (any of the named flags set: ct state/status words, tcp flags)."""

    selector: Selector
    op: str
    value: Value | tuple[Value, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InSet:
    """The concatenated `key` is (or with `negate` is not) an element of the named set."""

    key: tuple[Selector, ...]
    name: str
    negate: bool = False


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """`key vmap @name`: the verdict found, or the next statement on a miss."""

    key: tuple[Selector, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Dnat:
    """Translate the destination to what map `name` holds for `key`: an address, and a port too if the map's
    data type has one. `family` is "ip" or "ip6"."""

    family: str
    key: tuple[Selector, ...]
    name: str


@dataclass(frozen=True, slots=True)
class DnatTo:
    family: str
    address: IPv4Address | IPv6Address | None
    port: int = 0


@dataclass(frozen=True, slots=True)
class Snat:
    """Translate the source to what map `name` holds for `key`."""

    family: str
    key: tuple[Selector, ...]
    name: str


@dataclass(frozen=True, slots=True)
class SnatTo:
    family: str
    address: IPv4Address | IPv6Address
    port: int = 0


@dataclass(frozen=True, slots=True)
class Masquerade:
    pass


@dataclass(frozen=True, slots=True)
class Redirect:
    """To the local machine, at `port`, or at what map `name` holds for `key`."""

    port: int = 0
    key: tuple[Selector, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class SetMark:
    """Set the packet's mark, or with `ct` the flow's, to a number or to another selector's value."""

    value: int | Selector
    ct: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """`kind`: "tcp reset", or an icmpx code: "port-unreachable", "admin-prohibited", "host-unreachable"."""

    kind: str = "port-unreachable"


@dataclass(frozen=True, slots=True)
class Counter:
    pass


@dataclass(frozen=True, slots=True)
class ClampMss:
    """`tcp option maxseg size set rt mtu`, or to what map `name` holds for `key`. The kernel only ever lowers it."""

    key: tuple[Selector, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class LimitOver:
    """Matches what comes beyond `rate` packets a second, after a burst of as many (`limit rate over`)."""

    rate: int


@dataclass(frozen=True, slots=True)
class Notrack:
    pass


@dataclass(frozen=True, slots=True)
class SetPayload:
    """Write `value`, or what another selector finds, into a header field of this one packet; the checksums follow.
    Nothing remembers it: the answer's field is another rule's affair."""

    field: Payload
    value: Scalar | Selector


@dataclass(frozen=True, slots=True)
class Unread:
    """A statement of somebody else's rule in a shape that nobody here reads; never written. `decides`: it may settle
    what becomes of the packet, else it only asks or takes note."""

    text: str
    decides: bool = False


Statement = (
    Match
    | InSet
    | VerdictMap
    | Dnat
    | DnatTo
    | Snat
    | SnatTo
    | Masquerade
    | Redirect
    | SetMark
    | Reject
    | Counter
    | ClampMss
    | LimitOver
    | Notrack
    | SetPayload
    | Unread
    | Verdict
)


# --- what a table holds ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `comment` says who owns it and why it stands there."""

    statements: tuple[Statement, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules. Base chains have `kind` ("filter", "nat", "route"), `hook`, `priority`, `policy`; those
    of family netdev hang on one `device`."""

    name: str
    rules: tuple[Rule, ...] = ()
    kind: str = ""
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    device: str = ""


@dataclass(frozen=True, slots=True)
class Set:
    """A named set (`data` empty) or map. `key` and `data` are tuples of type names; a verdict map's data is
    ("verdict",). `flags` may hold "interval", "timeout", "dynamic"."""

    name: str
    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. `family` is "inet", "ip", "ip6", "bridge", "netdev" or "arp"."""

    family: str
    name: str
    sets: tuple[Set, ...] = ()
    chains: tuple[Chain, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map: `key`, and `data` for a map."""

    set: str
    key: Key
    data: Data = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Changes that become visible together or not at all.

    `replace` writes a whole table with its elements in place of whatever stood there. `add` and `remove` are
    elements of `family`/`table`; adding what is there and removing what is not are both success.
    `ensure` adds a table and its base chains where they are absent and leaves alone what stands there (its chains
    hold no rules). `destroy` removes the table.
    `likely` are elements to add that probably stand already: they are looked for first, because an addition that the
    kernel refuses makes it wait for 10 ms.
    """

    family: str
    table: str
    replace: Table | None = None
    ensure: Table | None = None
    add: tuple[Element, ...] = ()
    remove: tuple[Element, ...] = ()
    destroy: bool = False
    likely: tuple[Element, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.replace or self.ensure or self.add or self.remove or self.destroy or self.likely)

    def inverse(self) -> Transaction:
        """Element changes the other way round. A table that was written is not unwritten: constant rules
        without elements let nothing through."""
        return Transaction(self.family, self.table, add=self.remove, remove=self.add)
