"""The virtual machine's instructions (nf_tables expressions), one function for each.

There are sixteen registers of four bytes. A slot is the number of the first one that a value occupies; the kernel calls
every fourth by the number of the 16-byte register that it begins, as nft does. The verdict has a register of its own.
"""

from __future__ import annotations

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel.attributes import attribute, be32, be64, nested, text, u8
from fairlead.effects.kernel.nft_fields import Checksum, CtKey, Field
from fairlead.effects.kernel.nft_sets import encode_verdict
from fairlead.model.ruleset import Verdict

EQUAL, NOT_EQUAL, AT_MOST, AT_LEAST = 0, 1, 3, 5
_VERDICT_REGISTER = 0
_LOOKUP_INVERTED = 1
_HTON = 1
_TCP_OPTION, _MAXSEG, _ROUTE_MSS = 1, 2, 3
SNAT, DNAT = 0, 1
_PACKETS, _OVER = 0, 1


def register(slot: int) -> int:
    return 8 + slot if slot % 4 else 1 + slot // 4


def expression(name: str, *attributes: bytes) -> bytes:
    return nested(nf.LIST_ELEMENT, text(1, name), nested(2, *attributes))


def _data(kind: int, raw: bytes) -> bytes:
    return nested(kind, attribute(nf.DATA_VALUE, raw))


def load_meta(key: int, slot: int) -> bytes:
    return expression("meta", be32(2, key), be32(1, register(slot)))


def load_payload(field: Field, slot: int) -> bytes:
    place = be32(2, field.base) + be32(3, field.offset) + be32(4, field.type.size)
    return expression("payload", be32(1, register(slot)), place)


def load_ct(key: CtKey, slot: int) -> bytes:
    direction = b"" if key.direction is None else u8(3, key.direction)
    return expression("ct", be32(2, key.number), be32(1, register(slot)), direction)


def load_fib(flags: int, result: int, slot: int) -> bytes:
    return expression("fib", be32(3, flags), be32(2, result), be32(1, register(slot)))


def load_numgen(kind: int, modulus: int, slot: int) -> bytes:
    return expression("numgen", be32(1, register(slot)), be32(2, modulus), be32(3, kind), be32(4, 0))


def load_jhash(source: int, size: int, modulus: int, seed: int, slot: int) -> bytes:
    words = be32(1, register(source)) + be32(2, register(slot)) + be32(3, size) + be32(4, modulus) + be32(5, seed)
    return expression("hash", words, be32(6, 0), be32(7, 0))


def load_immediate(raw: bytes, slot: int) -> bytes:
    return expression("immediate", be32(1, register(slot)), _data(2, raw))


def load_rt(key: int, slot: int) -> bytes:
    return expression("rt", be32(2, key), be32(1, register(slot)))


def load_route_mss(slot: int) -> bytes:
    """In network byte order."""
    place = be32(1, register(slot)) + be32(2, register(slot))
    return load_rt(_ROUTE_MSS, slot) + expression("byteorder", place, be32(3, _HTON), be32(4, 2), be32(5, 2))


def set_meta(key: int, slot: int) -> bytes:
    return expression("meta", be32(2, key), be32(3, register(slot)))


def set_ct(key: int, slot: int) -> bytes:
    return expression("ct", be32(2, key), be32(4, register(slot)))


def compare(slot: int, operator: int, raw: bytes) -> bytes:
    return expression("cmp", be32(1, register(slot)), be32(2, operator), _data(3, raw))


def outside(slot: int, low: bytes, high: bytes) -> bytes:
    return expression("range", be32(1, register(slot)), be32(2, NOT_EQUAL), _data(3, low), _data(4, high))


def mask(slot: int, raw: bytes) -> bytes:
    place = be32(1, register(slot)) + be32(2, register(slot)) + be32(3, len(raw))
    return expression("bitwise", place, _data(4, raw), _data(5, bytes(len(raw))), be32(6, 0))


def lookup(set_name: str, set_id: int, source: int, result: int | None = None, negate: bool = False) -> bytes:
    """Membership; with `result` the datum is put into that slot."""
    parts = [text(1, set_name), be32(2, register(source))]
    if result is not None:
        parts.append(be32(3, register(result)))
    if negate:
        parts.append(be32(5, _LOOKUP_INVERTED))
    return expression("lookup", *parts, be32(4, set_id))


def lookup_verdict(set_name: str, set_id: int, source: int) -> bytes:
    place = be32(2, register(source)) + be32(3, _VERDICT_REGISTER)
    return expression("lookup", text(1, set_name), place, be32(4, set_id))


def verdict(value: Verdict) -> bytes:
    return expression("immediate", be32(1, _VERDICT_REGISTER), nested(2, encode_verdict(value)))


def nat(kind: int, family: int, address: int | None, port: int | None) -> bytes:
    """Translate to what lies in the slots `address` and `port`; None leaves that part alone."""
    parts = [be32(1, kind), be32(2, family)]
    if address is not None:
        parts.append(be32(3, register(address)))
    if port is not None:
        parts.append(be32(5, register(port)))
    return expression("nat", *parts)


def masquerade() -> bytes:
    return expression("masq")


def redirect(port: int | None) -> bytes:
    return expression("redir", b"" if port is None else be32(1, register(port)))


def reject(kind: int, code: int | None) -> bytes:
    return expression("reject", be32(1, kind), b"" if code is None else u8(2, code))


def store_payload(field: Field, checksum: Checksum, slot: int) -> bytes:
    """Write what lies in the slot into a header field, and correct the checksum that covers it."""
    place = be32(2, field.base) + be32(3, field.offset) + be32(4, field.type.size)
    covered = be32(6, checksum.kind) + be32(7, checksum.offset) + be32(8, checksum.pseudo_header)
    return expression("payload", be32(5, register(slot)), place, covered)


def counter() -> bytes:
    return expression("counter", be64(1, 0), be64(2, 0))


def limit_over(rate: int) -> bytes:
    """Packets a second, with a burst of as many."""
    return expression("limit", be64(1, rate), be64(2, 1), be32(3, rate), be32(4, _PACKETS), be32(5, _OVER))


def notrack() -> bytes:
    return expression("notrack")


def clamp_mss(slot: int) -> bytes:
    """Write what lies in the slot into the TCP option; the kernel only ever lowers it."""
    option = u8(2, _MAXSEG) + be32(3, 2) + be32(4, 2) + be32(6, _TCP_OPTION)
    return expression("exthdr", be32(7, register(slot)), option)
