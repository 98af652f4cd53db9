"""What one sandbox may know: its networks in the order in which they are asked, and its private aliases.

Sandboxes that see the same networks in the same order with the same aliases share one view, and so
one store of prepared replies: a thousand containers on one network ask one dictionary, keyed by the
query without its id. A name with several addresses has a reply prepared for each rotation of them, so
that every address comes first equally often.

A prepared reply depends on every name that was looked up to make it, those not found included. When
a zone says that a name changed, the replies that depend on it go, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from fairlead.core.dns.codes import CLASS_IN, PeerError, Rcode, Type
from fairlead.core.dns.name import encode_name, fold, reversed_address
from fairlead.core.dns.wire import (
    MAX_STREAM,
    Query,
    address_record,
    fail,
    parse_query,
    pointer_record,
    refuse,
    respond,
)
from fairlead.core.dns.zone import REVERSE_TTL, NetworkZone, Record, Touched
from fairlead.model.dns import Verdict
from fairlead.model.network import Address

PREPARED_MAX = 8192
"""Prepared replies of a view; beyond it they are all dropped and made anew (a client that plays with case)."""

ROTATIONS_KEPT = 32
"""Sets up to this size keep all their rotations; larger ones are put together each time."""

_VERSION: dict[int, int] = {Type.A: 4, Type.AAAA: 6}

_TASKS = b"\x05tasks"
"""How `tasks.SERVICE` begins."""

_FORWARDED = frozenset({Type.TXT, Type.ANY})
"""Types that are asked outside even of names we know, as Docker does: what these names hold there, if
anything, is theirs to say. All other types of a known name are ours to deny."""


@dataclass(frozen=True, slots=True)
class Window:
    """One network as a view sees it: its zone, and the view's aliases there, from and to folded wire names."""

    zone: NetworkZone
    aliases: Mapping[bytes, bytes]


class View:
    """See the module. `answer` takes a datagram, `answer_stream` a message that came by TCP."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._prepared: dict[bytes, Callable[[], bytes]] = {}
        self._dependents: dict[Touched, set[bytes]] = {}
        self._turn = 0
        for window in windows:
            window.zone.listen(self)

    def answer(self, data: bytes) -> bytes | Verdict:
        prepared = self._prepared.get(data[2:])
        if prepared is not None:
            return data[:2] + prepared()
        return self._examine(data, stream=False)

    def answer_stream(self, data: bytes) -> bytes | Verdict:
        return self._examine(data, stream=True)

    def addresses(self, name: str) -> tuple[Address, ...] | None:
        """What a name stands for on the first network that knows it, by whatever version; None where none does."""
        wire = encode_name(name)
        found = _Lookup(self._windows).find(wire) if wire else []
        return tuple(record.address for record in found[0]) if found else None

    def forget(self, what: Touched) -> None:
        for key in self._dependents.pop(what, ()):
            self._prepared.pop(key, None)

    def _examine(self, data: bytes, stream: bool) -> bytes | Verdict:
        try:
            query = parse_query(data)
        except PeerError as error:
            return Verdict.IGNORE if error.rcode is None else refuse(data, error.rcode)
        if query.edns is not None and query.edns.version:
            return fail(query, Rcode.BADVERS)
        lookup = _Lookup(self._windows)
        records = lookup.records(query)
        if records is None:
            return Verdict.IGNORE if lookup.may_become_known(query) else Verdict.FORWARD
        replies = self._rotations(query, records, MAX_STREAM if stream else query.udp_limit)
        if not stream and not (query.edns and query.edns.options):
            self._keep(data[2:], replies, lookup.asked)
        return data[:2] + next(replies)

    def _rotations(self, query: Query, records: Sequence[bytes], limit: int) -> Iterator[bytes]:
        """Replies without end, each with the next record in front. Views start at a different one each time."""
        size = max(1, len(records))
        self._turn += 1
        shift = self._turn % size
        turned = [*records[shift:], *records[:shift]]
        once = (respond(query, Rcode.NOERROR, turned[at:] + turned[:at], limit) for at in range(size))
        return cycle(once) if size <= ROTATIONS_KEPT else _endless(query, turned, limit)

    def _keep(self, key: bytes, replies: Iterator[bytes], asked: Sequence[Touched]) -> None:
        if len(self._prepared) >= PREPARED_MAX:
            self._prepared.clear()
            self._dependents.clear()
        self._prepared[key] = replies.__next__
        for what in asked:
            self._dependents.setdefault(what, set()).add(key)


def _endless(query: Query, records: list[bytes], limit: int) -> Iterator[bytes]:
    while True:
        for at in range(len(records)):
            yield respond(query, Rcode.NOERROR, records[at:] + records[:at], limit)


class _Lookup:
    """One question put to the zones; `asked` remembers every name and address that was looked up."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self.asked: list[Touched] = []

    def records(self, query: Query) -> list[bytes] | None:
        """The records that answer the query, none where the name has no such; None when the query is not ours."""
        if query.class_ != CLASS_IN or query.type in _FORWARDED:
            return None
        found = self.find(query.name)
        if found:
            return _of_type(found, query.type)
        if query.type == Type.PTR:
            return self._pointer(fold(query.name))
        return None

    def may_become_known(self, query: Query) -> bool:
        """Is the unknown name one as networks have them, and does one of them still learn its names? Then whoever asks
        again is answered; a server outside would deny the name, and that would be believed."""
        learning = [window.zone for window in self._windows if window.zone.partial]
        if not learning or query.class_ != CLASS_IN or query.type in (*_FORWARDED, Type.PTR):
            return False
        name = fold(query.name)
        single, of_tasks = len(name) == name[0] + 2, name.startswith(_TASKS)
        return (
            single or of_tasks or any(zone.suffix is not None and query.name.endswith(zone.suffix) for zone in learning)
        )

    def find(self, name: bytes) -> list[list[Record]]:
        """What each network that knows the name says of it, in order."""
        said = (self._find_in(window, name) for window in self._windows)
        return [records for records in said if records is not None]

    def _find_in(self, window: Window, name: bytes) -> list[Record] | None:
        zone, folded = window.zone, fold(name)
        records = self._ask(zone, window.aliases.get(folded, folded))
        # The network's part is compared as it is written: networks `n1` and `N1` are two networks.
        if records is None and zone.suffix is not None and name.endswith(zone.suffix):
            records = self._ask(zone, folded[: -len(zone.suffix)] + b"\0")
        return records

    def _ask(self, zone: NetworkZone, name: bytes) -> list[Record] | None:
        self.asked.append(name)
        return zone.records(name)

    def _pointer(self, name: bytes) -> list[bytes] | None:
        address = reversed_address(name)
        if address is None:
            return None
        self.asked.append(address)
        for window in self._windows:
            target = window.zone.reverse(address)
            if target is not None:
                return [pointer_record(target, REVERSE_TTL)]
        return None


def _of_type(found: list[list[Record]], qtype: int) -> list[bytes]:
    """The address records of the first network that has any of the type."""
    version = _VERSION.get(qtype)
    for records in found:
        fitting = [record for record in records if record.address.version == version]
        if fitting:
            return [address_record(record.address, record.ttl) for record in fitting]
    return []
