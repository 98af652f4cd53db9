"""One member as one node sees it, and the law by which news about it replaces what is held.

The law is a total order: news applies if its `Precedence` is greater. So whatever order news comes in, and however
often, every node ends with the same greatest one.

    epoch        which life of the member; a restart begins a new one
    incarnation  raised by the member itself, and only by it, to refute what is said about it
    status       at one incarnation, bad news beats good: alive < suspect < dead < left

Two sessions that claim the same life are the exception that only the member itself can settle: whoever meets the second
one keeps the first and tells the newcomer of it, which then begins the next life (or, at another address, finds out
whether the name is taken).
"""

from __future__ import annotations

import enum
import hashlib
import ipaddress

from msgspec import Struct
from msgspec.structs import replace

from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.wire.messages import Alive, Dead, Left

Address = tuple[str, int]
Precedence = tuple[int, int, int]


class Status(enum.IntEnum):
    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3

    @property
    def present(self) -> bool:
        """Whether it is still counted, probed and gossiped to."""
        return self <= Status.SUSPECT


class Member(Struct, frozen=True, gc=False):
    """Immutable, so that a thousand simulated nodes can hold the same one."""

    name: str
    address: Address
    epoch: int
    incarnation: int
    session: bytes
    labels: bytes
    status: Status = Status.ALIVE

    @property
    def present(self) -> bool:
        return self.status <= Status.SUSPECT

    @property
    def precedence(self) -> Precedence:
        return self.epoch, self.incarnation, self.status


def precedence(news: Alive) -> Precedence:
    return news.epoch, news.incarnation, Status.ALIVE


def digest(member: Member) -> int:
    """64 bits of what all nodes should agree on: not suspicion, and not which session it was that died."""
    settled = Status.ALIVE if member.present else member.status
    text = f"{member.name}\0{member.epoch} {member.incarnation} {settled}\0".encode()
    if member.present:
        text += member.session
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def from_alive(news: Alive) -> Member:
    """Raises PeerError when the packed address is neither 4 nor 16 bytes."""
    try:
        address = (str(ipaddress.ip_address(news.ip)), news.port)
    except ValueError:
        raise PeerError("address") from None
    return Member(news.name, address, news.epoch, news.incarnation, news.session, news.labels)


def to_alive(member: Member) -> Alive:
    packed = ipaddress.ip_address(member.address[0]).packed
    return Alive(
        member.name, packed, member.address[1], member.epoch, member.incarnation, member.session, member.labels
    )


def gone(member: Member, news: Dead | Left) -> Member:
    """The member as of this news."""
    status = Status.LEFT if isinstance(news, Left) else Status.DEAD
    return replace(member, status=status, incarnation=news.incarnation)
