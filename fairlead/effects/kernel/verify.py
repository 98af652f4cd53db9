"""Which effects of operations are not there now.

Links are asked for by name, all of one namespace in one send: 16 us each, where a dump of a thousand takes a tenth of a
second. Addresses, routes, neighbours and sets are dumped once for each namespace, link or set that is asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_interface

from fairlead.effects.kernel import addresses, xfrm
from fairlead.effects.kernel.attributes import mac_bytes
from fairlead.effects.kernel.link_reader import SeenLink, named_links
from fairlead.effects.kernel.nft_types import bounds
from fairlead.effects.kernel.places import Place
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.network import Address, Subnet
from fairlead.model.plan import (
    HOST,
    AddAddress,
    AddAssociation,
    AddBridge,
    AddDummy,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddPolicy,
    AddPortEntry,
    AddRoute,
    AddRule,
    AddVeth,
    AddVlan,
    AddVxlan,
    ChangeRules,
    DelLink,
    Interface,
    Operation,
    PortBlock,
    PutRealServer,
    PutVirtualServer,
    SetLink,
    SetSysctl,
    SettleVirtualServers,
)
from fairlead.model.ruleset import Data, Element, Key, Table, Transaction
from fairlead.model.servers import ServerKey, VirtualServer

_Made = AddBridge | AddVeth | AddVlan | AddDummy | AddVxlan
_RouteKey = tuple[Subnet | None, int, int, Address | None]


def missing(host: Place, operations: Sequence[Operation]) -> list[Operation]:
    """Those whose effect is absent. Operations that leave no trace (announcements, flushes) never are."""
    by_namespace: dict[str, list[Operation]] = {}
    for operation in operations:
        by_namespace.setdefault(_home(operation), []).append(operation)
    absent: set[int] = set()
    for ns, members in by_namespace.items():
        absent.update(map(id, _missing_in(host if ns == HOST else Place(ns), members)))
    return [operation for operation in operations if id(operation) in absent]


def _home(operation: Operation) -> str:
    return operation.peer_ns if isinstance(operation, AddMacvlan) else operation.ns


def _missing_in(place: Place, operations: list[Operation]) -> list[Operation]:
    try:
        sight = _Sight(place)
        sight.look_at(operations)
        return [operation for operation in operations if not sight.shows(operation)]
    except KernelRefused as refused:
        if not refused.missing:
            raise
        return [operation for operation in operations if not isinstance(operation, DelLink)]
    finally:
        if place.path == HOST:
            place.indexes.clear()
        else:
            place.close()


class _Sight:
    """One namespace, looked at as far as was asked."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._links: dict[str, SeenLink | None] = {}
        self._addresses: set[tuple[int, Address, int]] | None = None
        self._routes: dict[tuple[int, int], set[_RouteKey]] = {}
        self._neighbours: dict[tuple[int, bool], set[tuple[Address | None, bytes]]] = {}
        self._associations: dict[int, set[tuple[Address, int]]] = {}
        self._policies: dict[PortBlock, set[AddPolicy]] = {}
        self._servers: dict[ServerKey, VirtualServer] | None = None
        self._elements: dict[tuple[str, str, str], dict[Key, Data]] = {}

    def look_at(self, operations: Sequence[Operation]) -> None:
        names = {name for operation in operations for name in _links_of(operation)}
        ordered = sorted(names)
        self._links = dict(zip(ordered, named_links(self._place.route, ordered), strict=True))

    def shows(self, operation: Operation) -> bool:
        match operation:
            case AddBridge() | AddVeth() | AddVlan() | AddDummy() | AddVxlan():
                return self._has_link(operation)
            case AddMacvlan(kind, name):
                seen = self._links[name]
                return seen is not None and seen.kind == kind
            case DelLink(name):
                return self._links[name] is None
            case SetLink():
                return self._is_set(operation)
            case SetSysctl(path, value, ns):
                return read_sysctl(path, ns) == value
            case ChangeRules(transaction):
                return self._has_rules(transaction)
            case AddAddress(link, address):
                return self._has_address(link, address)
            case AddRoute():
                return self._has_route(operation)
            case AddRule():
                return self._has_rule(operation)
            case AddNeighbour(link, neighbour, mac):
                return self._has_neighbour(link, neighbour, mac, bridge=False)
            case AddFdb(link, mac, remote):
                return self._has_neighbour(link, remote, mac, bridge=True)
            case AddPortEntry(link, mac):
                return self._has_neighbour(link, None, mac, bridge=True)
            case AddAssociation(destination=destination, spi=spi):
                return (destination, spi) in self._secured(operation)
            case AddPolicy():
                return operation in self._led(operation.sources)
            case PutVirtualServer() | PutRealServer() | SettleVirtualServers():
                return self._is_served(operation)
        return True

    def _secured(self, operation: AddAssociation) -> set[tuple[Address, int]]:
        request = operation.request_id
        if request not in self._associations:
            found = xfrm.associations(self._place.xfrm, request)
            self._associations[request] = {(each.destination, each.spi) for each, _ in found}
        return self._associations[request]

    def _is_served(self, operation: PutVirtualServer | PutRealServer | SettleVirtualServers) -> bool:
        if self._servers is None:
            self._servers = {server.key: server for server in self._place.ipvs.servers()}
        match operation:
            case PutVirtualServer(key, scheduler):
                return key in self._servers and self._servers[key].scheduler == scheduler
            case PutRealServer(key, address, weight):
                return key in self._servers and self._servers[key].real.get(address) == weight
            case SettleVirtualServers(servers, patience):
                same = self._servers == {server.key: server for server in servers}
                return same and self._place.ipvs.patience() == patience

    def _led(self, sources: PortBlock) -> set[AddPolicy]:
        if sources not in self._policies:
            self._policies[sources] = set(xfrm.policies(self._place.xfrm, sources))
        return self._policies[sources]

    def _index(self, name: str) -> int:
        seen = self._links.get(name)
        return seen.index if seen else 0

    def _has_link(self, operation: _Made) -> bool:
        seen = self._links[operation.name]
        if seen is None or (operation.alias and seen.alias != operation.alias):
            return False
        if isinstance(operation, AddVeth) and operation.master:
            return seen.up and seen.master == self._index(operation.master) != 0
        return seen.up

    def _is_set(self, operation: SetLink) -> bool:
        seen = self._links[operation.rename or operation.name]
        if seen is None:
            return False
        master = operation.master
        wanted = (operation.up, operation.mtu, operation.mac, operation.alias)
        found = (seen.up, seen.mtu, seen.mac, seen.alias)
        same = all(want is None or want == have for want, have in zip(wanted, found, strict=True))
        if not master:
            return same and (master is None or seen.master == 0)
        return same and seen.master == self._index(master) != 0

    def _has_address(self, link: str, address: Interface) -> bool:
        if self._addresses is None:
            replies = self._place.route.dump(addresses.every_address())
            self._addresses = {addresses.read_interface(payload) for payload in replies}
        return (self._index(link), ip_interface(address).ip, address.network.prefixlen) in self._addresses

    def _has_route(self, operation: AddRoute) -> bool:
        version = operation.destination.version if operation.destination else operation.family
        place = (version, operation.table)
        if place not in self._routes:
            found = addresses.every_route(self._place.route, *place)
            self._routes[place] = {(each.destination, version, each.index, each.via) for each in found}
            self._routes[place] |= {(each.destination, version, 0, each.via) for each in found}
        if operation.link and not self._index(operation.link):
            return False
        wanted = (operation.destination, version, self._index(operation.link), operation.via)
        return wanted in self._routes[place]

    def _has_rule(self, operation: AddRule) -> bool:
        replies = self._place.route.dump(addresses.every_rule(operation.family))
        return (operation.mark, operation.mask, operation.table) in map(addresses.read_rule, replies)

    def _has_neighbour(self, link: str, address: Address | None, mac: str, bridge: bool) -> bool:
        index = self._index(link)
        if not index:
            return False
        if (index, bridge) not in self._neighbours:
            replies = self._place.route.dump(addresses.every_neighbour(index, bridge))
            found = [addresses.read_neighbour(payload) for payload in replies]
            self._neighbours[index, bridge] = {(each[1], each[2]) for each in found if each[0] == index}
        return (address, mac_bytes(mac)) in self._neighbours[index, bridge]

    def _has_rules(self, transaction: Transaction) -> bool:
        for table in (transaction.replace, transaction.ensure):
            if table is not None and not self._has_table(table):
                return False
        nftables, family, name = self._place.nftables, transaction.family, transaction.table
        if transaction.destroy:
            return nftables.chains(family, name) is None
        return all(
            self._has_element(family, name, each) for each in (*transaction.add, *transaction.likely)
        ) and not any(self._has_element(family, name, each) for each in transaction.remove)

    def _has_table(self, table: Table) -> bool:
        nftables = self._place.nftables
        chains = nftables.chains(table.family, table.name)
        if chains is None or not chains >= {chain.name for chain in table.chains}:
            return False
        return all(nftables.shape(table.family, table.name, each.name) is not None for each in table.sets)

    def _has_element(self, family: str, table: str, element: Element) -> bool:
        place = (family, table, element.set)
        if place not in self._elements:
            found = self._place.nftables.elements(*place) or ()
            self._elements[place] = {_bounds(each.key): each.data for each in found}
        elements = self._elements[place]
        key = _bounds(element.key)
        return key in elements and elements[key] == element.data


def _bounds(key: Key) -> Key:
    """A key in one form, however it was written."""
    return tuple(end for part in key for end in bounds(part))


def _links_of(operation: Operation) -> tuple[str, ...]:
    match operation:
        case AddVeth(name=name, master=master):
            return (name, master) if master else (name,)
        case AddBridge(name) | AddMacvlan(name=name) | AddVlan(name) | AddDummy(name) | AddVxlan(name) | DelLink(name):
            return (name,)
        case SetLink(name=name, master=master, rename=rename):
            return (rename or name, master) if master else (rename or name,)
        case AddAddress(link) | AddRoute(link=link) | AddNeighbour(link) | AddFdb(link) | AddPortEntry(link):
            return (link,) if link else ()
    return ()
