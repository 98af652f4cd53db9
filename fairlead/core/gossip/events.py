"""What happened, in the order in which this node saw it."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.wire.messages import Entry


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A member was seen for the first time, or came back after it had left or failed."""

    member: Member
    returned: bool


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A living member has other labels, another address or began another life."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberSuspected:
    """Somebody cannot reach the member; it may still refute."""

    member: Member


@dataclass(frozen=True, slots=True)
class MemberFailed:
    """The member did not refute. `here`: this node judged, it did not just hear of it."""

    member: Member
    here: bool


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """The member said goodbye."""

    member: Member


@dataclass(frozen=True, slots=True)
class NameConflict:
    """Another living node, longer in the cluster, holds our name: this node has gone silent."""

    name: str
    rival: Address


@dataclass(frozen=True, slots=True)
class EntrySet:
    """A row appeared or has another value. `old` is the value before, None when there was none to be seen."""

    entry: Entry
    old: bytes | None


@dataclass(frozen=True, slots=True)
class EntryDeleted:
    """A row is gone: deleted by its owner, or its owner left, or was lost for good."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class EntrySuspended:
    """The row's owner failed. The row is kept, hidden, and comes back with its owner."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class EntryResumed:
    """The row's owner is back."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class EntryHeeded:
    """The member `by` acts by what this node wrote in the row at that time."""

    network: str
    table: str
    key: str
    time: int
    by: str


MemberEvent = MemberJoined | MemberChanged | MemberSuspected | MemberFailed | MemberLeft
EntryEvent = EntrySet | EntryDeleted | EntrySuspended | EntryResumed
Event = MemberEvent | EntryEvent | EntryHeeded | NameConflict
