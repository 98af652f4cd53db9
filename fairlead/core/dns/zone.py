"""Who is called what on which network.

Each network has a zone of its own: a name means something only to those who share the network with
its owner. A zone knows *entries*, one per owner (an endpoint, later also a service or a task), each with
its names and addresses; several owners may share a name, and it then has all their addresses.

Zones are asked through views (`fairlead.core.dns.view`), which keep prepared replies. A change
therefore reports what it touched, name by name, and whoever keeps replies drops exactly those.

How long clients may remember an answer depends on what can become of it:

- a container's address, and any set of them: 0 s. A container may be gone, or have another address, in the
  next moment, and to rotate a set means to be asked each time. Asking costs a few microseconds
  over loopback, so a cache would win nothing; Docker's 600 s have cost its users whole outages.
- a service's virtual address: 5 s. It stays as long as the service does.
- a reverse name: 5 s. It ends up in log lines, which come in bursts; the next owner of the address
  is not misnamed for long.
- no data, and failures: nothing (no SOA is sent, which is what a negative cache would need).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar
from weakref import WeakSet

from fairlead.core.dns.name import MAX_NAME, encode_name, fold
from fairlead.model.network import Address


class Kind(Enum):
    """What an entry's addresses belong to; the value is their time to live in seconds."""

    CONTAINER = 0
    SERVICE = 5


REVERSE_TTL = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """The names of one owner on one network.

    `names` are dotted text; those that DNS cannot say are left out (a label over 63 bytes).
    `reverse` is the name that its addresses are called by, empty for none.
    """

    owner: str
    names: tuple[str, ...]
    addresses: tuple[Address, ...]
    reverse: str = ""
    kind: Kind = Kind.CONTAINER


@dataclass(frozen=True, slots=True)
class Record:
    """An address that a name has, and for how many seconds that may be believed."""

    address: Address
    ttl: int


Touched = bytes | Address
"""A folded wire name, or an address whose reverse name changed."""


class Listener(Protocol):
    """Somebody who keeps what a zone said."""

    def forget(self, what: Touched) -> None:
        """What was said of this name or address may be wrong now."""
        ...


class NetworkZone:
    """The names of one network. `suffix` is the network's own name in wire form, None if DNS cannot say it; `partial`
    while there may be names that are not known here yet."""

    def __init__(self, name: str) -> None:
        self.suffix = encode_name(name)
        self.partial = False
        self._entries: dict[str, Entry] = {}
        self._by_name: dict[bytes, dict[str, Entry]] = {}
        self._by_address: dict[Address, dict[str, Entry]] = {}
        self._listeners: WeakSet[Listener] = WeakSet()

    def __bool__(self) -> bool:
        return bool(self._entries)

    def put(self, entry: Entry) -> None:
        """The entry of its owner is now this one."""
        old = self._entries.get(entry.owner)
        if old == entry:
            return
        touched = self._remove(old) if old is not None else set()
        self._entries[entry.owner] = entry
        for name in _wire_names(entry.names):
            self._by_name.setdefault(name, {})[entry.owner] = entry
            touched.add(name)
        for address in entry.addresses:
            self._by_address.setdefault(address, {})[entry.owner] = entry
            touched.add(address)
        self._tell(touched)

    def drop(self, owner: str) -> None:
        """The owner is gone; unknown is fine."""
        old = self._entries.pop(owner, None)
        if old is not None:
            self._tell(self._remove(old))

    def records(self, name: bytes) -> list[Record] | None:
        """All addresses of a folded wire name, each once; None when nobody here is called so."""
        owners = self._by_name.get(name)
        if owners is None:
            return None
        ttl = min(entry.kind.value for entry in owners.values())
        addresses = dict.fromkeys(address for entry in owners.values() for address in entry.addresses)
        return [Record(address, ttl) for address in addresses]

    def reverse(self, address: Address) -> bytes | None:
        """The wire name `name.network` of whoever has the address."""
        for entry in self._by_address.get(address, {}).values():
            name = encode_name(entry.reverse)
            if name is not None and self.suffix is not None and len(name) - 1 + len(self.suffix) <= MAX_NAME:
                return name[:-1] + self.suffix
        return None

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def listen(self, listener: Listener) -> None:
        """Report changes to `listener` for as long as it lives."""
        self._listeners.add(listener)

    def _remove(self, entry: Entry) -> set[Touched]:
        touched: set[Touched] = set()
        for name in _wire_names(entry.names):
            _forget(self._by_name, name, entry.owner)
            touched.add(name)
        for address in entry.addresses:
            _forget(self._by_address, address, entry.owner)
            touched.add(address)
        return touched

    def _tell(self, touched: Iterable[Touched]) -> None:
        for listener in self._listeners:
            for what in touched:
                listener.forget(what)


def _wire_names(names: Iterable[str]) -> Iterator[bytes]:
    for text in names:
        name = encode_name(text)
        if name is not None:
            yield fold(name)


_Key = TypeVar("_Key")


def _forget(index: dict[_Key, dict[str, Entry]], key: _Key, owner: str) -> None:
    owners = index.get(key, {})
    owners.pop(owner, None)
    if not owners:
        index.pop(key, None)
