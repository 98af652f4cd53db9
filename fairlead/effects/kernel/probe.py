"""What this kernel can do, found by trying it in a namespace that is thrown away (which also loads the modules)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from struct import pack

from fairlead.effects.kernel import links, netns
from fairlead.effects.kernel.attributes import attribute, text
from fairlead.effects.kernel.ipvs import Ipvs
from fairlead.effects.kernel.link_reader import index_of
from fairlead.effects.kernel.netlink import GENERIC, NETFILTER, NEW, ROUTE, Channel, Message
from fairlead.effects.kernel.nft import Nftables
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import HOST, PutVirtualServer
from fairlead.model.ruleset import ACCEPT, Chain, Fib, Match, Rule, Table, Transaction
from fairlead.model.servers import ServerKey

_XFRM = 6
_IPPROTO_ESP, _IPPROTO_SCTP = 50, 132


def probe() -> frozenset[str]:
    """The names of the features that are there, as `HostFacts.features` lists them."""
    descriptor = netns.make_namespace()
    try:
        return features_in(descriptor)
    finally:
        os.close(descriptor)


def features_in(trial: int) -> frozenset[str]:
    """The same, tried in a namespace that is given. What it makes there dies with the namespace: deleting a link would
    wait for 16 ms."""
    with netns.entered_descriptor(trial):
        return frozenset(name for name, works in _PROBES.items() if works())


def _can_make(kind: str, data: bytes = b"", on_parent: bool = False) -> Callable[[], bool]:
    def attempt() -> bool:
        channel = Channel(ROUTE)
        try:
            parent = _parent(channel, f"under-{kind}") if on_parent else 0
            ack = channel.request([links.create(links.Birth(f"probe-{kind}", kind, parent=parent, data=data))])[0]
        finally:
            channel.close()
        return ack.errno == 0

    return attempt


def _parent(channel: Channel, name: str) -> int:
    """One for each kind: what carries a macvlan carries no ipvlan."""
    channel.request([links.create(links.Birth(name, "bridge"))])
    return index_of(channel, name)


def _tried(protocol: int, message: Callable[[], Message]) -> Callable[[], bool]:
    def attempt() -> bool:
        try:
            channel = Channel(protocol)
        except OSError:
            return False
        try:
            return channel.request([message()])[0].errno == 0
        finally:
            channel.close()

    return attempt


_NEWQDISC, _ROOT, _KIND, _OPTIONS = 36, 0xFFFFFFFF, 1, 2
_LOOPBACK = 1


def _netem() -> Message:
    """`tc qdisc add dev lo root netem` that delays nothing."""
    head = pack("=BxxxiIII", 0, _LOOPBACK, 0, _ROOT, 0)
    return Message(_NEWQDISC, NEW, head + text(_KIND, "netem") + attribute(_OPTIONS, pack("=6I", 0, 100, 0, 0, 0, 0)))


_NEWSA, _ALGORITHM_AEAD = 0x10, 18


def _esp() -> Message:
    """A transport-mode ESP association with AES-GCM (struct xfrm_usersa_info, 224 bytes)."""
    address = bytes((192, 0, 2, 1)).ljust(16, b"\0")
    identity = address + pack(">I", 0x1000) + pack("=Bxxx", _IPPROTO_ESP)
    no_limits = b"\xff" * 32 + bytes(32)
    tail = bytes(12) + pack("=IIHBBB", 0, 0, socket.AF_INET, 0, 0, 0)
    body = (bytes(56) + identity + address + no_limits + bytes(32) + tail).ljust(224, b"\0")
    algorithm = b"rfc4106(gcm(aes))".ljust(64, b"\0") + pack("=II", 160, 128) + bytes(range(20))
    return Message(_NEWSA, NEW, body + attribute(_ALGORITHM_AEAD, algorithm))


def _can_schedule(*schedulers: str) -> Callable[[], bool]:
    """Whether IPVS has all of them; asking loads their modules."""

    def attempt() -> bool:
        channel = Channel(GENERIC)
        try:
            balancer = Ipvs(channel)
            for scheduler in schedulers:
                balancer.change(PutVirtualServer(ServerKey(1, 4), scheduler))
        except KernelRefused:
            return False
        finally:
            channel.close()
        return True

    return attempt


def _has_fib() -> bool:
    local = Rule((Match(Fib(("daddr",), "type"), "==", "local"), ACCEPT))
    table = Table("inet", "probe", chains=(Chain("c", (local,), "filter", "prerouting"),))
    channel = Channel(NETFILTER)
    try:
        Nftables(channel).commit(Transaction("inet", "probe", replace=table))
    except KernelRefused:
        return False
    finally:
        channel.close()
    return True


def _has_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_SCTP).close()
    except OSError as refused:
        return refused.errno not in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)
    return True


def _has_bridge_netfilter() -> bool:
    return read_sysctl("net/bridge/bridge-nf-call-iptables", HOST) is not None


_PROBES: dict[str, Callable[[], bool]] = {
    "bridge": _can_make("bridge"),
    "vxlan": _can_make("vxlan", pack("=HHI", 8, 1, 1)),
    "macvlan": _can_make("macvlan", links.macvlan_data("macvlan", "bridge", ""), on_parent=True),
    "ipvlan": _can_make("ipvlan", links.macvlan_data("ipvlan", "l2", ""), on_parent=True),
    "8021q": _can_make("vlan", links.vlan_data(1), on_parent=True),
    "dummy": _can_make("dummy"),
    "ip_vs": _can_schedule("rr", "wrr", "wlc", "sh"),
    "ip_vs_mh": _can_schedule("mh"),
    "ip_vs_twos": _can_schedule("twos"),
    "esp": _tried(_XFRM, _esp),
    "netem": _tried(ROUTE, _netem),
    "nft_fib": _has_fib,
    "br_netfilter": _has_bridge_netfilter,
    "sctp": _has_sctp,
}
