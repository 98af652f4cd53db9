"""The host's table `inet fairlead-underlay`: which VXLAN packets this host takes, and which it lets go.

Packets with the VXLAN id of one of our networks are taken from the swarm's other nodes and from nobody else; what
others do with VXLAN on this host is their business. Those of an encrypted network are taken only out of ESP and let go
only into ESP. Both hold from before the network's device is made until after it is gone. (That nothing leaves in clear
is seen to by policies as well, which stand while somebody has flushed all tables: `silence`.)

They are not tracked: each inner flow has a port of its own on the outside, so a busy network would fill the table of
connections. They are looked at when they are whole (`input` comes after reassembly): none slips through in pieces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_address

from fairlead.model.host import Underlay
from fairlead.model.network import Address
from fairlead.model.plan import AddPolicy, PortBlock
from fairlead.model.ruleset import (
    DROP,
    Chain,
    Element,
    InSet,
    Match,
    Meta,
    Notrack,
    Payload,
    Rt,
    Rule,
    Set,
    Statement,
    Table,
    Transaction,
    Verdict,
    VerdictMap,
)

FAMILY, NAME = "inet", "fairlead-underlay"
SOURCES = PortBlock(0xF000, 0xF000)
"""The ports from which packets of encrypted networks leave, and no others: the kernel takes those of other networks
from its local range, which ends below. By them policies know what is to be encrypted."""

_RAW, _LAST = -300, 300
_PORT = InSet((Payload("udp", "dport"),), "ports")
_VNI = (Payload("vxlan", "vni"),)
_UNTRACKED = Rule((_PORT, InSet(_VNI, "vnis"), Notrack()), "not tracked")
_TAKEN, _SECRET = "taken", "secret"


def table(features: Collection[str]) -> Table:
    """For a kernel with these `features`. Without ESP nothing of an encrypted network passes."""
    sets = (
        Set("ports", ("inet_service",)),
        Set("vnis", ("vxlan_id",)),
        Set("ways", ("vxlan_id",), ("verdict",)),
        Set("encrypted", ("vxlan_id",)),
        Set("peers4", ("ipv4_addr",)),
        Set("peers6", ("ipv6_addr",)),
    )
    esp = "esp" in features
    into_esp = _in_clear(Rt("ipsec"), esp, _PORT, InSet(_VNI, "encrypted"))
    chains = (
        Chain("arriving", (_UNTRACKED,), "filter", "prerouting", _RAW),
        Chain("leaving", (_UNTRACKED,), "filter", "output", _RAW),
        Chain(_TAKEN, tuple(_from_strangers())),
        Chain(_SECRET, (_in_clear(Meta("ipsec"), esp), *_from_strangers())),
        Chain("input", (_rule("one of our networks", _PORT, VerdictMap(_VNI, "ways")),), "filter", "input", _RAW),
        Chain("postrouting", (into_esp,), "filter", "postrouting", _LAST),
    )
    return Table(FAMILY, NAME, sets, chains)


def _rule(comment: str, *statements: Statement) -> Rule:
    return Rule(statements, comment)


def _from_strangers() -> Iterator[Rule]:
    for number, header, peers in ((2, "ip", "peers4"), (10, "ip6", "peers6")):
        stranger = InSet((Payload(header, "saddr"),), peers, negate=True)
        yield _rule("from none of our nodes", Match(Meta("nfproto"), "==", number), stranger, DROP)


def _in_clear(ipsec: Meta | Rt, esp: bool, *which: Statement) -> Rule:
    """`ipsec` says whether a packet comes out of ESP, or goes into it. Without `esp` none does."""
    return _rule("in clear, and should not be", *which, *((Match(ipsec, "==", 0),) if esp else ()), DROP)


def silence(underlay: Underlay) -> AddPolicy:
    """What is to be encrypted and is led into no association does not leave, whoever flushes the packet filter."""
    nobody = ip_address("0.0.0.0" if underlay.address.version == 4 else "::")
    return AddPolicy(nobody, nobody, underlay.port, 0, SOURCES)


def ensure(features: Collection[str]) -> Transaction:
    """The table, made where it is missing."""
    return Transaction(FAMILY, NAME, ensure=table(features))


def vni_elements(vni: int, encrypted: bool) -> tuple[Element, ...]:
    way = Element("ways", (vni,), Verdict("goto", _SECRET if encrypted else _TAKEN))
    return (*((Element("encrypted", (vni,)),) if encrypted else ()), way, Element("vnis", (vni,)))


def port_element(port: int) -> Element:
    return Element("ports", (port,))


def peer_elements(peers: Iterable[Address]) -> tuple[Element, ...]:
    return tuple(Element(f"peers{peer.version}", (peer,)) for peer in peers)
