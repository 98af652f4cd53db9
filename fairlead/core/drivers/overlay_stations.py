"""Where the endpoints of other nodes are: from what discovery says to forwarding and neighbour entries.

Each endpoint needs one forwarding entry (its hardware address, behind its node) and one neighbour per address; where
broadcast and multicast are carried, its node is also one of those that get a copy. When two nodes claim the same
address, as they do for a moment when a container is replaced elsewhere, the one that spoke last has it;
when that one is gone, the other has it again.

What is in the kernel is known from what was written there, or was seen there after a restart. Entries that were seen
and nobody has claimed stay until it is known that everybody has spoken. Each change costs its own entries and no more.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from ipaddress import IPv4Address

from fairlead.core.drivers import overlay_options
from fairlead.core.drivers.overlay_segments import place, segments
from fairlead.model.discovery import Presence
from fairlead.model.network import Address, Network
from fairlead.model.plan import EVERYBODY, AddFdb, AddNeighbour, AnnounceAddress, Operation

Entry = AddFdb | AddNeighbour
_Key = tuple[str, object]
_UNICAST = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


def entries(network: Network, presence: Presence, home: str) -> tuple[Entry, ...]:
    """What makes the endpoint reachable from the network's namespace `home`. Nothing for what makes no sense: peers'
    data is data."""
    segment, mac = place(network, presence.addresses), presence.mac.lower()
    gateways = {pool.gateway for pool in network.pools}
    if segment is None or not _UNICAST.fullmatch(mac) or gateways & set(presence.addresses):
        return ()
    known = [address for address in presence.addresses if network.pool_for(address)]
    neighbours = [AddNeighbour(segment.vxlan, address, mac, home) for address in known]
    crowd = [AddFdb(segment.vxlan, EVERYBODY, presence.vtep, home)] if _carries_groups(network) else []
    return (AddFdb(segment.vxlan, mac, presence.vtep, home), *neighbours, *crowd)


def follows(mac: str, address: Address) -> bool:
    """Whether whoever has the address has this hardware address, unless a user chose another."""
    return isinstance(address, IPv4Address) and mac.endswith(address.packed.hex(":"))


def announced(
    network: Network, changes: Iterable[Operation], unsteady: Container[Address]
) -> Iterator[AnnounceAddress]:
    """What makes the containers here take up new neighbours. A container that spoke to an address remembers where it
    was for half a minute and longer, and the next one at this address need not have the same hardware address: a user
    chose it (at `unsteady` addresses one did before), or an IPv6 address came to go with another IPv4 address."""
    bridges = {segment.vxlan: segment.bridge for segment in segments(network)}
    for change in changes:
        if isinstance(change, AddNeighbour) and (change.address in unsteady or not follows(change.mac, change.address)):
            yield AnnounceAddress(bridges[change.link], change.address, change.mac, change.ns)


def _carries_groups(network: Network) -> bool:
    return overlay_options.read(network.options).multicast


class Stations:
    """The remote endpoints of one network, and what the kernel has of them. `unsteady` are the addresses that ever bore
    a hardware address which does not follow from them."""

    def __init__(self) -> None:
        self.unsteady: set[Address] = set()
        self.presences: dict[str, Presence] = {}
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._claims: dict[_Key, dict[str, Entry]] = {}
        self._written: dict[_Key, Entry] = {}
        self._due: dict[_Key, None] = {}
        self._inherited: set[_Key] = set()
        self.is_complete = False

    # --- what is said -----------------------------------------------------------------------------

    def put(self, presence: Presence, made: Iterable[Entry]) -> None:
        """An endpoint with its `entries`, in place of what was said about it before."""
        self.drop(presence.endpoint_id)
        self.presences[presence.endpoint_id] = presence
        self._entries[presence.endpoint_id] = tuple(made)
        for entry in self._entries[presence.endpoint_id]:
            self._claims.setdefault(_key(entry), {})[presence.endpoint_id] = entry
            self._inherited.discard(_key(entry))
            self._due[_key(entry)] = None

    def drop(self, endpoint_id: str) -> None:
        self.presences.pop(endpoint_id, None)
        for entry in self._entries.pop(endpoint_id, ()):
            key = _key(entry)
            self._claims[key].pop(endpoint_id)
            if not self._claims[key]:
                del self._claims[key]
            self._due[key] = None

    def complete(self) -> None:
        """Everybody has spoken."""
        self.is_complete = True
        self._due.update(dict.fromkeys(self._inherited))
        self._inherited.clear()

    # --- what the kernel has ----------------------------------------------------------------------

    def seen(self, found: Iterable[Entry]) -> None:
        """This and nothing else is in the kernel now."""
        self._written = {_key(entry): entry for entry in found}
        self._inherited = set() if self.is_complete else self._written.keys() - self._claims.keys()
        self._due = dict.fromkeys((*self._claims, *self._written))

    def changes(self) -> list[Operation]:
        """What has to be done to the kernel, which is then taken as done."""
        due, self._due = self._due, {}
        operations: list[Operation] = []
        for key in due:
            wanted, have = self._wanted(key), self._written.get(key)
            if wanted is not None and wanted != have:
                operations.append(wanted)
                self._written[key] = wanted
                if isinstance(wanted, AddNeighbour) and not follows(wanted.mac, wanted.address):
                    self.unsteady.add(wanted.address)
            elif wanted is None and have is not None and key not in self._inherited:
                operations.append(have.inverse())
                del self._written[key]
        return operations

    def _wanted(self, key: _Key) -> Entry | None:
        claims = self._claims.get(key)
        return claims[next(reversed(claims))] if claims else None

    def expected(self) -> list[Entry]:
        """What has to be there."""
        return [claims[next(reversed(claims))] for claims in self._claims.values()]


def _key(entry: Entry) -> _Key:
    """What there is one of. What is for everybody goes to each node that has anybody."""
    if isinstance(entry, AddNeighbour):
        return entry.link, entry.address
    return entry.link, (entry.mac, entry.remote) if entry.mac == EVERYBODY else entry.mac
