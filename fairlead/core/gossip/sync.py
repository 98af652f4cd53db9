"""Anti-entropy: two nodes that disagree find out in what, and exchange only that.

Every ping carries one digest over all that both ends should hold alike. While they agree, that is the whole cost. When
they do not, the one that notices sends the digests of buckets of its records; the other answers with its records in
the buckets that differ, and the first sends back what the other lacks of these. The number of buckets grows with the
number of records, so that one differing record costs a few others on the way, whatever the size of the table.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead.core.gossip import member as members
from fairlead.core.gossip.apply import Records
from fairlead.core.gossip.calls import Calls
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.membership import Membership
from fairlead.core.gossip.rows import row_digest
from fairlead.core.gossip.tables import Tables
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Alive, Dead, Entry, Left, Record, Tombstone, Verdict
from fairlead.core.gossip.wire.stream import (
    MAX_BUCKETS,
    Deliver,
    Difference,
    Reply,
    Summary,
    Sync,
    Wanted,
)

PER_BUCKET = 4


@dataclass(frozen=True, slots=True)
class Holding:
    """Something held: the text that identifies it, its digest, and the records that tell it."""

    text: str
    digest: int
    records: list[Record]


def bucket_count(holdings: int) -> int:
    """A power of two, so that about `PER_BUCKET` holdings share a bucket."""
    return min(1 << max(holdings // PER_BUCKET - 1, 0).bit_length(), MAX_BUCKETS)


def bucket_of(text: str, count: int) -> int:
    return zlib.crc32(text.encode()) & (count - 1)


def digests(holdings: Iterable[Holding], count: int) -> bytes:
    """The XOR of the digests in each bucket, eight bytes each."""
    buckets = [0] * count
    for holding in holdings:
        buckets[bucket_of(holding.text, count)] ^= holding.digest
    return b"".join(bucket.to_bytes(8, "big") for bucket in buckets)


def differing(ours: bytes, theirs: bytes) -> list[int]:
    return [place // 8 for place in range(0, len(ours), 8) if ours[place : place + 8] != theirs[place : place + 8]]


class Holdings:
    """What this node would tell of the members (network None) and of each network."""

    def __init__(self, turn: Turn, membership: Membership, tables: Tables) -> None:
        self._turn = turn
        self._membership = membership
        self._tables = tables

    def has(self, network: str | None) -> bool:
        return network is None or network in self._tables.networks

    def of(self, network: str | None) -> list[Holding]:
        if network is None:
            tell = self._membership.records_of
            return [Holding(member.name, members.digest(member), tell(member)) for member in self._membership.roster]
        rows = self._tables.networks[network]
        held = []
        for text, digest, row in rows.spoken():
            if isinstance(row, Tombstone):
                left = rows.remaining_life((row.table, row.key, row.owner), self._turn.now)
                row = Tombstone(row.network, row.table, row.key, row.owner, row.epoch, row.time, left)
            held.append(Holding(text, digest, [row]))
        return held

    def digest_with(self, name: str) -> int:
        """One digest of all that we share with this member."""
        digest = self._membership.roster.digest
        for network in self._tables.shared(name):
            digest ^= self._tables.networks[network].digest
        return digest


class Syncer:
    """At most one sync is under way; a fruitless one delays the next."""

    def __init__(self, turn: Turn, calls: Calls, holdings: Holdings, records: Records, tables: Tables) -> None:
        self._turn = turn
        self._calls = calls
        self._holdings = holdings
        self._records = records
        self._tables = tables
        self._busy = False
        self._asked: dict[str | None, int] = {}  # buckets of the sync under way, by network
        self._last = turn.now
        self._agreed = turn.now
        self._not_before = turn.now
        self._hold = 0.0

    def agree(self) -> None:
        """A ping's digest is ours."""
        self._agreed = self._turn.now

    def disagree(self, member: Member) -> None:
        """A ping's digest differs from ours. Where something changes all the time, what is in flight looks like this,
        but somebody agrees now and then; a node that misses something finds nobody who does."""
        turn, config = self._turn, self._turn.config
        quiet = turn.now - turn.changed_at >= config.settle
        alone = turn.now - max(self._last, self._agreed) >= config.disagreement
        due = alone or turn.now - self._last >= config.sync_interval
        if turn.now >= self._not_before and (quiet or due):
            self.start(member.address, self._tables.shared(member.name))

    def start(self, to: Address, networks: Iterable[str]) -> bool:
        """Compares notes with a node. False when a sync is under way already or too many calls are."""
        if self._busy:
            return False
        held = {network: self._holdings.of(network) for network in (None, *networks)}
        self._asked = {network: bucket_count(len(items)) for network, items in held.items()}
        packed = {network: digests(items, self._asked[network]) for network, items in held.items()}
        summaries = [Summary(network, buckets) for network, buckets in packed.items() if network is not None]
        patience = self._turn.config.sync_patience
        self._busy = self._calls.ask(to, Sync(packed[None], summaries), patience, self._finish, self._fail)
        if self._busy:
            self._last = self._turn.now
            self._turn.counters.syncs += 1
        return self._busy

    def answer(self, question: Sync) -> Difference:
        """Our records where the asker's buckets differ from ours, as many as fit a frame."""
        records: list[Record] = []
        wanted: list[Wanted] = []
        room = self._turn.config.max_frame // 2
        theirs = [(None, question.members), *((item.network, item.buckets) for item in question.networks)]
        for network, buckets in theirs:
            count = len(buckets) // 8
            if not self._holdings.has(network) or count & (count - 1):
                continue
            held = self._holdings.of(network)
            places = differing(digests(held, count), buckets)
            by_bucket: dict[int, list[Record]] = {place: [] for place in places}
            for holding in held:
                place = bucket_of(holding.text, count)
                if place in by_bucket:
                    by_bucket[place] += holding.records
            told = []
            for place, found in by_bucket.items():
                room -= sum(len(codec.encode(record)) for record in found)
                if room < 0:
                    break
                records += found
                told.append(place)
            wanted.append(Wanted(network, told))
        return Difference(records, wanted, more=room < 0)

    def _finish(self, reply: Reply, address: Address) -> None:
        self._busy = False
        difference = reply.answer
        if not isinstance(difference, Difference):
            return
        theirs = _digests_told(difference.records)
        news = self._records.hear_all(difference.records)
        owed = self._owed(difference.wanted, theirs)
        if owed:
            self._calls.ask(address, Deliver(owed), self._turn.config.sync_patience, _ignore_answer, _ignore_failure)
        if news or owed:
            self._hold = 0.0
            self._not_before = self._turn.now
        else:
            self._turn.counters.syncs_fruitless += 1
            self._hold = min(max(2 * self._hold, self._turn.config.settle), self._turn.config.sync_interval)
            self._not_before = self._turn.now + self._hold

    def _fail(self, verdict: Verdict) -> None:
        self._busy = False

    def _owed(self, wanted: list[Wanted], theirs: set[int]) -> list[Record]:
        """What we hold in these buckets and the other did not tell, as much as fits a frame."""
        owed: list[Record] = []
        room = self._turn.config.max_frame // 2
        for item in wanted:
            if item.network not in self._asked or not self._holdings.has(item.network):
                continue
            places = set(item.buckets)
            for holding in self._holdings.of(item.network):
                if bucket_of(holding.text, self._asked[item.network]) in places and holding.digest not in theirs:
                    room -= sum(len(codec.encode(record)) for record in holding.records)
                    if room < 0:
                        return owed
                    owed += holding.records
        return owed


def _digests_told(records: list[Record]) -> set[int]:
    """The digests of what these records tell."""
    told = set()
    living: dict[str, Member] = {}
    for record in records:
        match record:
            case Entry() | Tombstone():
                told.add(row_digest(record))
            case Alive():
                living[record.name] = members.from_alive(record)
                told.add(members.digest(living[record.name]))
            case Dead() | Left() if record.name in living:
                gone = members.gone(living[record.name], record)
                told.add(members.digest(gone))
            case _:
                pass
    return told


def _ignore_answer(reply: Reply, address: Address) -> None:
    """A delivery needs no answer: what did not arrive, the next digest will show."""


def _ignore_failure(verdict: Verdict) -> None:
    """See `_ignore_answer`."""
