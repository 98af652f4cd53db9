"""What nodes say over a stream: one question, one answer, then it closes.

The server speaks first, a *hello* of 12 bytes that it never used before; the question is sealed together with that
hello and the answer together with the question's nonce, so neither can be replayed into another conversation.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from fairlead.core.gossip.wire.messages import Alive, Name, Record, Scope, Seconds

MAX_BUCKETS = 4096

Buckets = Annotated[bytes, Meta(min_length=8, max_length=8 * MAX_BUCKETS)]
"""Eight bytes per bucket, big-endian: the digest of the records whose key falls into it. A power of two of them."""


class Summary(Struct, array_like=True, frozen=True, gc=False):
    """The buckets of one network's rows."""

    network: Scope
    buckets: Buckets


class Check(Struct, array_like=True, frozen=True, gc=False, tag=1):
    """Does this member live here?"""

    target: Name


class Sync(Struct, array_like=True, frozen=True, gc=False, tag=2):
    """This is what I hold of the members and of the networks I am in; what differs?"""

    members: Buckets
    networks: Annotated[list[Summary], Meta(max_length=4096)]


class Deliver(Struct, array_like=True, frozen=True, gc=False, tag=3):
    """Records for you, because you asked or because they do not fit a datagram."""

    records: list[Record]


class Here(Struct, array_like=True, frozen=True, gc=False, tag=11):
    """The member lives here, and has for `age` seconds."""

    age: Seconds


class Wanted(Struct, array_like=True, frozen=True, gc=False):
    """Buckets of a network (or of the members, when `network` is None) that the answerer lacks something of."""

    network: Scope | None
    buckets: Annotated[list[int], Meta(max_length=MAX_BUCKETS)]


class Difference(Struct, array_like=True, frozen=True, gc=False, tag=12):
    """My records in the buckets that differ, and which buckets these are. `more`: not all fitted; ask again."""

    records: list[Record]
    wanted: Annotated[list[Wanted], Meta(max_length=4097)]
    more: bool


class Thanks(Struct, array_like=True, frozen=True, gc=False, tag=13):
    """Delivered."""


Question = Check | Sync | Deliver
Answer = Here | Difference | Thanks


class Request(Struct, array_like=True, frozen=True):
    """The body of a question. The sender introduces itself, so a stranger's first question is its entrance."""

    sender: Alive
    question: Question


class Reply(Struct, array_like=True, frozen=True):
    """The body of an answer."""

    sender: Alive
    answer: Answer
