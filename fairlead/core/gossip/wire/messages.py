"""What nodes say to each other: one struct per message, its bounds in its types.

The encoding is MessagePack, each message an array whose first element is its tag, so a decoder made from these
types checks shape, type and size of everything a peer sends before any other code sees it. Names are bounded text,
counters fit 64 bits, lists have a maximum length. Adding a field at the end of a message keeps old readers working.

A *record* (`Alive` … `Tombstone`) is a fact about the cluster and travels until everybody has it. The others are
one-hop conversation.
"""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Scope = Annotated[str, Meta(max_length=64)]
Key = Annotated[str, Meta(min_length=1, max_length=256)]
Counter = Annotated[int, Meta(ge=0, lt=1 << 48)]
Seconds = Annotated[int, Meta(ge=0, lt=1 << 32)]
Digest = Annotated[int, Meta(ge=0)]
Session = Annotated[bytes, Meta(min_length=7, max_length=7)]
Position = Annotated[bytes, Meta(max_length=20)]
Labels = Annotated[bytes, Meta(max_length=512)]
PackedIP = Annotated[bytes, Meta(min_length=4, max_length=16)]
Port = Annotated[int, Meta(ge=0, lt=1 << 16)]


class Verdict(enum.IntEnum):
    """What somebody who could not reach a member by ping learned from its stream port."""

    SILENT = 0
    """Nothing came back: the machine or the way to it is gone."""
    STALLED = 1
    """Its kernel accepted the connection, the process said nothing: it is stopped or starved."""
    REFUSED = 2
    """Its kernel answered that nobody listens: the process is gone."""


class Alive(Struct, array_like=True, frozen=True, gc=False, tag=1):
    """A member says that it lives: where, in which life (`epoch`), at which refutation of rumours (`incarnation`)."""

    name: Name
    ip: PackedIP
    port: Port
    epoch: Counter
    incarnation: Counter
    session: Session
    labels: Labels


class Witness(Struct, array_like=True, frozen=True, gc=False):
    name: Name
    verdict: Verdict


class Suspect(Struct, array_like=True, frozen=True, gc=False, tag=2):
    """These witnesses could not reach the member at this incarnation."""

    name: Name
    epoch: Counter
    incarnation: Counter
    witnesses: Annotated[tuple[Witness, ...], Meta(max_length=8)]


class Dead(Struct, array_like=True, frozen=True, gc=False, tag=3):
    """The member did not refute in time. `age`: seconds since then."""

    name: Name
    epoch: Counter
    incarnation: Counter
    age: Seconds


class Left(Struct, array_like=True, frozen=True, gc=False, tag=4):
    """The member said goodbye. `age`: seconds since then."""

    name: Name
    epoch: Counter
    incarnation: Counter
    age: Seconds


class Entry(Struct, array_like=True, frozen=True, gc=False, tag=5):
    """One row of a network's table as its owner wrote it, in that life, at that Lamport time."""

    network: Scope
    table: Name
    key: Key
    owner: Name
    epoch: Counter
    time: Counter
    value: bytes


class Tombstone(Struct, array_like=True, frozen=True, gc=False, tag=6):
    """The owner deleted the row. `life`: seconds for which this is still to be told."""

    network: Scope
    table: Name
    key: Key
    owner: Name
    epoch: Counter
    time: Counter
    life: Seconds


class Ping(Struct, array_like=True, frozen=True, gc=False, tag=10):
    """Are you there, and do we agree? `digest` covers all the sender shares with the target."""

    seq: Counter
    target: Name
    position: Position
    digest: Digest


class Ack(Struct, array_like=True, frozen=True, gc=False, tag=11):
    seq: Counter
    position: Position


class Relay(Struct, array_like=True, frozen=True, gc=False, tag=12):
    """Ping that member for me: I cannot reach it."""

    seq: Counter
    target: Name


class Nack(Struct, array_like=True, frozen=True, gc=False, tag=13):
    """Neither can I, and this is what I saw."""

    seq: Counter
    verdict: Verdict


class Who(Struct, array_like=True, frozen=True, gc=False, tag=14):
    """I do not know the session that your packet came from: introduce yourself."""


class Heeded(Struct, array_like=True, frozen=True, gc=False, tag=15):
    """To a row's owner: I act by what you wrote in it at that time."""

    network: Scope
    table: Name
    key: Key
    time: Counter


Record = Alive | Suspect | Dead | Left | Entry | Tombstone
Message = Alive | Suspect | Dead | Left | Entry | Tombstone | Ping | Ack | Relay | Nack | Who | Heeded


class Packet(Struct, array_like=True, frozen=True):
    """The body of a datagram."""

    sender: Name
    messages: list[Message]
