"""What stands in the kernel, as values of the model."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from fairlead.effects.kernel import addresses
from fairlead.effects.kernel.attributes import mac_text
from fairlead.effects.kernel.link_reader import SeenLink, every_link, links_but_veths
from fairlead.effects.kernel.netlink import Channel
from fairlead.effects.kernel.places import Place
from fairlead.model.host import HostFacts, HostLink
from fairlead.model.network import Address
from fairlead.model.observed import ObservedLink
from fairlead.model.plan import AddFdb, AddNeighbour

RESOLV_CONF = Path("/etc/resolv.conf")
_DEFAULT_MTU = 1500


def observe_links(channel: Channel) -> list[ObservedLink]:
    """Every link of the channel's namespace."""
    seen = every_link(channel)
    names = {link.index: link.name for link in seen}
    return [
        ObservedLink(
            name=link.name,
            index=link.index,
            kind=link.kind,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            master=names.get(link.master, ""),
            alias=link.alias,
            group=link.group,
            peer_ns=link.peer_elsewhere,
        )
        for link in seen
    ]


def observe_stations(place: Place) -> list[AddFdb | AddNeighbour]:
    """The forwarding entries of the VXLAN devices of a namespace, and their permanent neighbours."""
    found: list[AddFdb | AddNeighbour] = []
    for link in every_link(place.route):
        if link.kind != "vxlan":
            continue
        for bridge in (True, False):
            replies = place.route.dump(addresses.every_neighbour(link.index, bridge))
            seen = (addresses.read_neighbour(payload) for payload in replies if addresses.is_permanent(payload))
            for index, address, mac in seen:
                if index == link.index and address is not None and mac:
                    found.append(_station(link.name, address, mac_text(mac), place.path, bridge))
    return found


def _station(link: str, address: Address, mac: str, ns: str, bridge: bool) -> AddFdb | AddNeighbour:
    return AddFdb(link, mac, address, ns) if bridge else AddNeighbour(link, address, mac, ns)


def observe_host(place: Place, features: frozenset[str], owner: str) -> HostFacts:
    """The facts of the namespace, with what was probed before. Of its links all but those that lead into our sandboxes,
    on which nothing is built and of which there may be a thousand."""
    links = links_but_veths(place.route, owner)
    names = {link.index: link.name for link in links}
    held = [addresses.read_interface(payload) for payload in place.route.dump(addresses.every_address())]
    routes = [route for version in (4, 6) for route in addresses.every_route(place.route, version)]
    uplink = next((names.get(route.index, "") for route in routes if route.destination is None), "")
    return HostFacts(
        links={link.name: _host_link(link, names) for link in links},
        routes=tuple(dict.fromkeys(route.destination for route in routes if route.destination is not None)),
        addresses=tuple(dict.fromkeys(address for _, address, _ in held)),
        held=tuple((names.get(index, ""), address) for index, address, _ in held),
        nameservers=nameservers(RESOLV_CONF),
        uplink=uplink,
        mtu=next((link.mtu for link in links if link.name == uplink), _DEFAULT_MTU),
        features=features,
        owner=owner,
    )


def _host_link(link: SeenLink, names: dict[int, str]) -> HostLink:
    return HostLink(
        name=link.name,
        index=link.index,
        kind=link.kind,
        mtu=link.mtu,
        mac=link.mac,
        up=link.up,
        alias=link.alias,
        master=names.get(link.master, ""),
    )


def nameservers(resolv_conf: Path) -> tuple[Address, ...]:
    """The servers of a resolv.conf in its order; lines that make no sense are passed over, as the C library does."""
    try:
        text = resolv_conf.read_text(errors="replace")
    except OSError:
        return ()
    found: list[Address] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(ip_address(words[1]))
            except ValueError:
                continue
    return tuple(found)
