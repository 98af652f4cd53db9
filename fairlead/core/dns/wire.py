"""DNS messages (RFC 1035) as far as a resolver for containers needs them, and EDNS(0) (RFC 6891).

Two things are read and nothing else: a client's query, whole and strictly; the head of an upstream's
reply, enough to know which query it answers. Records of an upstream are never taken apart: they are
for the client, and what is not parsed cannot be parsed wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct

from fairlead.core.dns.codes import CLASS_IN, PeerError, Rcode, Type
from fairlead.core.dns.name import end_of_name, skip_name
from fairlead.model.network import Address

HEADER = 12
MAX_STREAM = 65535
PLAIN_UDP = 512
EDNS_UDP = 4096
"""What we are ready to take in and to send by UDP when the client says it can: loopback fragments nothing."""

QR, OPCODE, TC, RD, RA, RCODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x0080, 0x000F

_HEADER = Struct("!HHHHHH")
_COUNTS = Struct("!HHHHH")
_QUESTION = Struct("!HH")
_RECORD = Struct("!HHIH")
_TO_QUESTION = b"\xc0\x0c"
_DNSSEC_OK = 0x8000
_ADDITIONAL_MAX = 4


@dataclass(frozen=True, slots=True)
class Edns:
    """What an OPT record says. `size` is the largest UDP payload its sender takes; `options` whether it carries any."""

    size: int
    version: int
    dnssec_ok: bool
    options: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A well-formed standard query. `name` is a wire name as asked, `section` the question's own bytes."""

    id: int
    flags: int
    name: bytes
    type: int
    class_: int
    section: bytes
    edns: Edns | None = None

    @property
    def udp_limit(self) -> int:
        """The largest reply that may go back by UDP."""
        return PLAIN_UDP if self.edns is None else max(PLAIN_UDP, min(self.edns.size, EDNS_UDP))


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """What tells which query a reply belongs to. `section` is empty where the question is not repeated."""

    id: int
    rcode: int
    truncated: bool
    section: bytes


# --- reading --------------------------------------------------------------------------------------


def parse_query(data: bytes) -> Query:
    """A client's message; raises PeerError for anything that is not one standard query, no more and no less."""
    if len(data) < HEADER:
        raise PeerError("shorter than a header")
    number, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(data)
    if flags & QR:
        raise PeerError("a reply, where only queries are heard")
    if flags & OPCODE:
        raise PeerError("not a standard query", Rcode.NOTIMP)
    if questions != 1 or answers or authorities or additionals > _ADDITIONAL_MAX:
        raise PeerError("counts that no query has", Rcode.FORMERR)
    name_end = end_of_name(data, HEADER)
    end = name_end + 4
    if end > len(data):
        raise PeerError("message ends inside the question", Rcode.FORMERR)
    qtype, qclass = _QUESTION.unpack_from(data, name_end)
    edns = _read_additionals(data, end, additionals)
    return Query(number, flags, data[HEADER:name_end], qtype, qclass, data[HEADER:end], edns)


def _read_additionals(data: bytes, at: int, count: int) -> Edns | None:
    edns: Edns | None = None
    for _ in range(count):
        start, at = at, skip_name(data, at)
        if at + _RECORD.size > len(data):
            raise PeerError("message ends inside a record", Rcode.FORMERR)
        rtype, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size + length
        if rtype != Type.OPT:
            continue
        if edns is not None or data[start]:
            raise PeerError("a second or a named OPT record", Rcode.FORMERR)
        edns = Edns(rclass, ttl >> 16 & 0xFF, bool(ttl & _DNSSEC_OK), length > 0)
    if at != len(data):
        raise PeerError("length and content disagree", Rcode.FORMERR)
    return edns


def parse_reply_head(data: bytes) -> ReplyHead:
    """The head of an upstream's message; raises PeerError for what cannot be a reply to a standard query."""
    if len(data) < HEADER:
        raise PeerError("shorter than a header")
    number, flags, questions, _, _, _ = _HEADER.unpack_from(data)
    if not flags & QR or flags & OPCODE or questions > 1:
        raise PeerError("not a reply to a standard query")
    section = b""
    if questions:
        end = end_of_name(data, HEADER) + 4
        if end > len(data):
            raise PeerError("message ends inside the question")
        section = data[HEADER:end]
    return ReplyHead(number, flags & RCODE, bool(flags & TC), section)


# --- writing --------------------------------------------------------------------------------------


def address_record(address: Address, ttl: int) -> bytes:
    """An A or AAAA record of the name that was asked."""
    rtype = Type.A if isinstance(address, IPv4Address) else Type.AAAA
    return _TO_QUESTION + _RECORD.pack(rtype, CLASS_IN, ttl, len(address.packed)) + address.packed


def pointer_record(target: bytes, ttl: int) -> bytes:
    """A PTR record of the name that was asked, to a wire name."""
    return _TO_QUESTION + _RECORD.pack(Type.PTR, CLASS_IN, ttl, len(target)) + target


def respond(query: Query, rcode: Rcode, records: Sequence[bytes], limit: int) -> bytes:
    """The reply without its two bytes of id.

    As many `records` as `limit` allows are in it; when that is not all of them it is marked as
    truncated, and the client may ask again by TCP (RFC 2181, section 9).
    """
    opt = _opt_record(query.edns, rcode) if query.edns is not None else b""
    room = limit - HEADER - len(query.section) - len(opt)
    count = _fitting(records, room)
    flags = QR | (query.flags & RD) | RA | (rcode & RCODE) | (TC if count < len(records) else 0)
    counts = _COUNTS.pack(flags, 1, count, 0, 1 if opt else 0)
    return b"".join((counts, query.section, *records[:count], opt))


def _fitting(records: Sequence[bytes], room: int) -> int:
    for count, record in enumerate(records):
        room -= len(record)
        if room < 0:
            return count
    return len(records)


def _opt_record(asked: Edns, rcode: Rcode) -> bytes:
    """Our OPT record: version 0 whatever was asked, the client's DO bit as it came (RFC 3225)."""
    flags = (rcode >> 4) << 24 | (_DNSSEC_OK if asked.dnssec_ok else 0)
    return b"\0" + _RECORD.pack(Type.OPT, EDNS_UDP, flags, 0)


def refuse(data: bytes, rcode: Rcode) -> bytes:
    """A reply with only a header, for a message whose question cannot be trusted. `data` has a header at least."""
    number, flags, *_ = _HEADER.unpack_from(data)
    return _HEADER.pack(number, QR | (flags & (OPCODE | RD)) | RA | rcode, 0, 0, 0, 0)


def fail(query: Query, rcode: Rcode) -> bytes:
    """A whole reply that carries nothing but `rcode`."""
    return query.id.to_bytes(2) + respond(query, rcode, (), PLAIN_UDP)


def shorten(reply: bytes, section: bytes) -> bytes:
    """A reply that is too long for its client, cut down to the question and the mark "truncated"."""
    number, flags, *_ = _HEADER.unpack_from(reply)
    return _HEADER.pack(number, flags | TC, 1, 0, 0, 0) + section
