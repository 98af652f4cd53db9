"""Asking as a client would; dnspython writes the question and reads the reply (it keeps the order of records)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

import dns.message
import dns.rcode
import dns.rdatatype

from fairlead.core.dns.zone import Entry, Kind
from fairlead.model.dns import Verdict


@dataclass(frozen=True)
class Heard:
    """What a client makes of a reply."""

    rcode: str
    data: tuple[str, ...]
    ttls: frozenset[int]
    message: dns.message.Message


def ask(answer: Callable[[bytes], bytes | Verdict], name: str, rtype: str = "A", **options: object) -> Heard | Verdict:
    request = dns.message.make_query(name, rtype, **options)
    reply = answer(request.to_wire())
    if isinstance(reply, Verdict):
        return reply
    message = dns.message.from_wire(reply, ignore_trailing=False)
    assert message.id == request.id
    assert message.question == request.question
    assert message.question[0].name.to_wire() == request.question[0].name.to_wire()
    return Heard(
        dns.rcode.to_text(message.rcode()),
        tuple(rdata.to_text() for rrset in message.answer for rdata in rrset),
        frozenset(rrset.ttl for rrset in message.answer),
        message,
    )


def told(answer: Callable[[bytes], bytes | Verdict], name: str, rtype: str = "A") -> tuple[str, ...] | Verdict:
    """Only the data."""
    heard = ask(answer, name, rtype)
    return heard if isinstance(heard, Verdict) else heard.data


def entry(owner: str, names: str, addresses: str, kind: Kind = Kind.CONTAINER) -> Entry:
    words = names.split()
    return Entry(owner, tuple(words), tuple(map(ip_address, addresses.split())), words[0] if words else "", kind)
