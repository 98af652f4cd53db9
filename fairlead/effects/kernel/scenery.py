"""A whole namespace at one moment (`fairlead.model.scene`), for those who ask why a packet does not arrive.

Everything is dumped from sockets of its own in a thread of its own: a question waits for nobody's work, and nobody's
work waits for it. Nothing is changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

from fairlead.effects.kernel import addresses, links
from fairlead.effects.kernel.attributes import mac_text, read_u32
from fairlead.effects.kernel.link_reader import SeenLink, every_link
from fairlead.effects.kernel.netlink import Ack, Channel, Message
from fairlead.effects.kernel.netns import entered, open_namespace
from fairlead.effects.kernel.nft_listing import UnreadableError, list_tables
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.route_reader import every_route, every_rule
from fairlead.effects.kernel.sockets import every_listener
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.scene import ELSEWHERE, LoadedTable, Scene, SceneLink, SceneNeighbour, Station

_EVERY_NEIGHBOUR = Message(addresses.GETNEIGH, 0, bytes(12))
_FAILED, _PERMANENT = 0x20, 0x80
_VXLAN_ID = 1
_MACVLAN_MODE, _MACVLAN_APART, _IPVLAN_FLAGS = 1, (1, 2), 2
"""Modes `private` and `vepa`; an ipvlan has flags of these names."""
_GENERAL = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
)
_PER_LINK = ("net/ipv4/conf/{}/rp_filter", "net/ipv4/conf/{}/route_localnet", "net/ipv6/conf/{}/disable_ipv6")
_LEGACY = ("ip_tables_names", "ip6_tables_names")


def scene(ns: str, known: Sequence[str]) -> Scene:
    """The namespace `ns` (HOST: where the thread is). The other ends of its veths are looked for in `known` ones.
    Raises KernelRefused when it is gone."""
    place = Place(ns)
    try:
        seen = every_link(place.route)
        names = {link.index: link.name for link in seen}
        spaces = _spaces(place.route, {link.peer_space for link in seen if link.peer_elsewhere}, known)
        tables, blind = _tables(place)
        with entered(ns):
            listeners = tuple(every_listener())
        return Scene(
            ns=ns,
            links={link.name: _link(link, names, spaces, ns) for link in seen},
            addresses=_held(place.route, names),
            routes=tuple(every_route(place.route, names)),
            rules=tuple(every_rule(place.route)),
            neighbours=tuple(_neighbours(place.route, names)),
            stations=tuple(
                station for link in seen if link.kind == "vxlan" for station in _stations(place.route, link)
            ),
            listeners=listeners,
            tables=tuple(tables),
            parameters=_parameters(ns, [link.name for link in seen if not link.master]),
            blind=tuple(blind),
        )
    finally:
        place.close()


def _tables(place: Place) -> tuple[list[LoadedTable], list[str]]:
    with entered(place.path):
        legacy = [f"the tables of {name.split('_')[0]} (iptables-legacy)" for name in _LEGACY if _is_used(name)]
        try:
            tables, blind = list_tables(place.netfilter)
        except UnreadableError as error:
            return [], [f"rules ({error})", *legacy]
    return tables, [*blind, *legacy]


def _is_used(name: str) -> bool:
    try:
        return bool(Path(f"/proc/thread-self/net/{name}").read_text().strip())
    except OSError:
        return False


def _spaces(channel: Channel, wanted: set[int], known: Sequence[str]) -> Mapping[int, str]:
    """The namespaces among `known` that have one of these numbers here."""
    found: dict[int, str] = {}
    for path in known if wanted else ():
        with suppress(KernelRefused):
            descriptor = open_namespace(path)
            try:
                answer = channel.ask([links.ask_namespace_number(descriptor)])[0]
            finally:
                os.close(descriptor)
            number = -1 if isinstance(answer, Ack) else links.read_namespace_number(answer)
            if number in wanted:
                found[number] = path
    return found


def _link(seen: SeenLink, names: Mapping[int, str], spaces: Mapping[int, str], ns: str) -> SceneLink:
    veth = seen.kind == "veth"
    return SceneLink(
        name=seen.name,
        index=seen.index,
        kind=seen.kind,
        mac=seen.mac,
        mtu=seen.mtu,
        up=seen.up,
        carries=seen.carries,
        master=names.get(seen.master, ""),
        parent="" if veth or seen.peer_elsewhere else names.get(seen.parent, ""),
        peer=seen.parent,
        peer_ns=spaces.get(seen.peer_space, ELSEWHERE) if seen.peer_elsewhere else ns,
        isolated=_is_isolated(seen),
        vni=read_u32(seen.data.get(_VXLAN_ID, bytes(4))) if seen.kind == "vxlan" else 0,
    )


def _is_isolated(seen: SeenLink) -> bool:
    if seen.kind == "macvlan":
        return read_u32(seen.data.get(_MACVLAN_MODE, bytes(4))) in _MACVLAN_APART
    if seen.kind == "ipvlan":
        return any(seen.data.get(_IPVLAN_FLAGS, b""))
    return bool(seen.port.get("isolated")) if seen.master else False


def _held(channel: Channel, names: Mapping[int, str]) -> Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]]:
    found: dict[str, tuple[IPv4Interface | IPv6Interface, ...]] = {}
    for index, address, length in map(addresses.read_interface, channel.dump(addresses.every_address())):
        name = names.get(index, "")
        found[name] = (*found.get(name, ()), ip_interface(f"{address}/{length}"))
    return found


def _neighbours(channel: Channel, names: Mapping[int, str]) -> Iterator[SceneNeighbour]:
    for payload in channel.dump(_EVERY_NEIGHBOUR):
        index, address, mac = addresses.read_neighbour(payload)
        state = int.from_bytes(payload[8:10], sys.byteorder)
        if address is not None and (mac or state & _FAILED):
            permanent, failed = bool(state & _PERMANENT), bool(state & _FAILED)
            yield SceneNeighbour(names.get(index, ""), address, mac_text(mac), permanent, failed)


def _stations(channel: Channel, link: SeenLink) -> Iterator[Station]:
    for payload in channel.dump(addresses.every_neighbour(link.index, bridge=True)):
        index, vtep, mac = addresses.read_neighbour(payload)
        if index == link.index and vtep is not None and mac:
            yield Station(link.name, mac_text(mac), vtep)


def _parameters(ns: str, names: Sequence[str]) -> Mapping[str, str]:
    paths = [*_GENERAL, *(path.format(name) for name in names for path in _PER_LINK)]
    found = ((path, read_sysctl(path, ns)) for path in paths)
    return {path: value for path, value in found if value is not None}
