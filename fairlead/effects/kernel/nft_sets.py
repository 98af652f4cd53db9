"""Named and anonymous sets and maps, and their elements, as nf_tables messages.

Three kinds of set take three forms of element. A plain set holds a key. A set of intervals over one type (rbtree) holds
the start of each interval and, flagged INTERVAL_END, the first key after it. A set of intervals over a concatenation
(pipapo) holds the lowest and the highest key of each element.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import zip_longest
from struct import pack

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel.attributes import attribute, be32, nested, parse, read_be32, read_text, text, walk
from fairlead.effects.kernel.nft_types import (
    VERDICT_NUMBER,
    DataType,
    bounds,
    decode_tuple,
    encode_tuple,
    joined,
    type_named,
    types_number,
    types_of_number,
    width,
)
from fairlead.model.ruleset import Data, Element, Key, Scalar, Set, Value, Verdict

_SINGLE = (int, str, IPv4Address, IPv6Address)
_CHUNK = 40_000
"""Bytes of elements per message: an attribute ends at 65,535."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one must know of a set to write its elements. `data` is empty for a set and for a verdict map."""

    key: tuple[DataType, ...]
    data: tuple[DataType, ...] = ()
    verdicts: bool = False
    interval: bool = False

    @property
    def is_map(self) -> bool:
        return self.verdicts or bool(self.data)

    @property
    def ranged(self) -> bool:
        """Elements are pairs of keys (pipapo)."""
        return self.interval and len(self.key) > 1


def shape_of(declared: Set) -> Shape:
    verdicts = declared.data == ("verdict",)
    data = () if verdicts else tuple(type_named(name) for name in declared.data)
    return Shape(tuple(type_named(name) for name in declared.key), data, verdicts, "interval" in declared.flags)


_FLAGS = {"interval": nf.INTERVAL, "timeout": nf.TIMEOUT, "dynamic": nf.EVAL, "constant": nf.CONSTANT}


def named_set(table: str, declared: Set, set_id: int) -> bytes:
    """The attributes that declare a named set."""
    flags = 0
    for flag in declared.flags:
        flags |= _FLAGS[flag]
    return _set_attributes(table, declared.name, shape_of(declared), flags, set_id)


def anonymous_set(table: str, shape: Shape, set_id: int) -> bytes:
    """The attributes of a set that belongs to one rule; the kernel fills in its number."""
    flags = nf.ANONYMOUS | nf.CONSTANT | (nf.INTERVAL if shape.interval else 0)
    return _set_attributes(table, "__set%d", shape, flags, set_id)


def _set_attributes(table: str, name: str, shape: Shape, flags: int, set_id: int) -> bytes:
    if shape.ranged:
        flags |= nf.CONCAT
    if shape.is_map:
        flags |= nf.MAP
    parts = [text(nf.SET_TABLE, table), text(nf.SET_NAME, name), be32(nf.SET_FLAGS, flags)]
    parts += [be32(nf.SET_KEY_TYPE, types_number(shape.key)), be32(nf.SET_KEY_LEN, width(shape.key))]
    if shape.verdicts:
        parts += [be32(nf.SET_DATA_TYPE, VERDICT_NUMBER), be32(nf.SET_DATA_LEN, 0)]
    elif shape.data:
        parts += [be32(nf.SET_DATA_TYPE, types_number(shape.data)), be32(nf.SET_DATA_LEN, width(shape.data))]
    parts += [be32(nf.SET_ID, set_id), attribute(nf.SET_USERDATA, _byte_orders(shape))]
    if shape.ranged:
        parts.append(_concat_description(shape.key))
    return b"".join(parts)


def _byte_orders(shape: Shape) -> bytes:
    """nft keeps each side's byte order as user data; without it numbers in host order print reversed."""
    orders = pack("=BBI", nf.SET_KEY_BYTEORDER, 4, _order(shape.key))
    return orders + (pack("=BBI", nf.SET_DATA_BYTEORDER, 4, _order(shape.data)) if shape.data else b"")


def _order(kinds: tuple[DataType, ...]) -> int:
    return nf.NATIVE_ORDER if len(kinds) == 1 and kinds[0].native else nf.BIG_ENDIAN


def _concat_description(key: tuple[DataType, ...]) -> bytes:
    fields = [nested(nf.LIST_ELEMENT, be32(nf.SET_FIELD_LEN, kind.size)) for kind in key]
    return nested(nf.SET_DESC, nested(nf.SET_DESC_CONCAT, *fields))


def element_lists(table: str, set_name: str, elements: Sequence[bytes], set_id: int = 0) -> list[bytes]:
    """Encoded elements as the attributes of as few NEWSETELEM or DELSETELEM messages as possible."""
    head = text(nf.LIST_TABLE, table) + text(nf.LIST_SET, set_name)
    if set_id:
        head += be32(nf.LIST_SET_ID, set_id)
    lists: list[bytes] = []
    chunk: list[bytes] = []
    size = 0
    for element in elements:
        if size + len(element) > _CHUNK:
            lists.append(head + nested(nf.LIST_ELEMENTS, *chunk))
            chunk, size = [], 0
        chunk.append(element)
        size += len(element)
    lists.append(head + nested(nf.LIST_ELEMENTS, *chunk))
    return lists


def encode_element(shape: Shape, element: Element) -> bytes:
    """One element with data and comment. Raises ValueError when it does not fit the set."""
    return _encode(shape, element.key, _encode_data(shape, element.data), _comment(element.comment))


def encode_key(shape: Shape, key: Key) -> bytes:
    """The element's key alone, as a removal names it."""
    return _encode(shape, key, b"", b"")


def _encode(shape: Shape, key: Key, data: bytes, comment: bytes) -> bytes:
    if not shape.interval:
        plain = tuple(_scalar(value) for value in key)
        return nested(nf.LIST_ELEMENT, _value(nf.KEY, encode_tuple(shape.key, plain)), data, comment)
    low, high = encoded_bounds(shape, key)
    if shape.ranged:
        return nested(nf.LIST_ELEMENT, _value(nf.KEY, low), _value(nf.KEY_END, high), data, comment)
    start = nested(nf.LIST_ELEMENT, _value(nf.KEY, low), data, comment)
    beyond = int.from_bytes(high, "big") + 1
    if beyond >> (8 * len(high)):
        return start
    after = _value(nf.KEY, beyond.to_bytes(len(high), "big"))
    return start + nested(nf.LIST_ELEMENT, after, be32(nf.ELEMENT_FLAGS, nf.INTERVAL_END))


def encoded_bounds(shape: Shape, key: Key) -> tuple[bytes, bytes]:
    """The lowest and highest key that an element of an interval set covers."""
    pairs = [bounds(value) for value in key]
    low = encode_tuple(shape.key, tuple(pair[0] for pair in pairs))
    return low, encode_tuple(shape.key, tuple(pair[1] for pair in pairs))


def _scalar(value: Value) -> Scalar:
    if isinstance(value, _SINGLE):
        return value
    low, high = bounds(value)
    if low != high:
        raise ValueError(f"{value} is a range, and the set holds single keys")
    return low


def _value(kind: int, raw: bytes) -> bytes:
    return nested(kind, attribute(nf.DATA_VALUE, raw))


def _encode_data(shape: Shape, data: Data) -> bytes:
    if shape.verdicts:
        if not isinstance(data, Verdict):
            raise ValueError(f"{data!r} is not a verdict")
        return nested(nf.DATA, encode_verdict(data))
    if not shape.data:
        return b""
    if not isinstance(data, tuple):
        raise ValueError(f"{data!r} is not the data of a map")
    return _value(nf.DATA, encode_tuple(shape.data, data))


def encode_verdict(verdict: Verdict) -> bytes:
    code = be32(nf.VERDICT_CODE, nf.VERDICTS[verdict.kind] & 0xFFFFFFFF)
    return nested(nf.DATA_VERDICT, code + (text(nf.VERDICT_CHAIN, verdict.chain) if verdict.chain else b""))


def _comment(words: str) -> bytes:
    return attribute(nf.ELEMENT_USERDATA, comment_userdata(words)) if words else b""


def comment_userdata(words: str) -> bytes:
    """A comment as nft stores it in a rule's or an element's user data: at most 127 bytes."""
    raw = words.encode()[:127] + b"\0"
    return bytes((nf.COMMENT, len(raw))) + raw


def read_comment(userdata: bytes) -> str:
    offset = 0
    while offset + 2 <= len(userdata):
        kind, size = userdata[offset], userdata[offset + 1]
        if kind == nf.COMMENT:
            return read_text(userdata[offset + 2 : offset + 2 + size])
        offset += 2 + size
    return ""


def read_shape(attributes: dict[int, bytes]) -> Shape | None:
    """The shape of a set from its own description; None when its types are none of ours."""
    flags = read_be32(attributes.get(nf.SET_FLAGS, b""))
    key = types_of_number(read_be32(attributes.get(nf.SET_KEY_TYPE, b"")))
    data_number = read_be32(attributes.get(nf.SET_DATA_TYPE, b""))
    verdicts = data_number == VERDICT_NUMBER
    data = types_of_number(data_number) if data_number and not verdicts else ()
    if key is None or data is None:
        return None
    return Shape(key, data, verdicts, bool(flags & nf.INTERVAL))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One element as the kernel holds it: in an interval set half of an interval."""

    low: bytes
    high: bytes
    ends: bool
    data: Data
    comment: str


def read_elements(set_name: str, shape: Shape, replies: Iterable[bytes], offset: int) -> list[Element]:
    """The elements in the replies to GETSETELEM, whose attributes start at `offset`; intervals at their shortest."""
    entries = [_read_entry(shape, raw) for reply in replies for raw in _raw_elements(reply, offset)]
    if shape.interval and not shape.ranged:
        entries = _paired(entries)
    return [Element(set_name, _read_key(shape, entry), entry.data, entry.comment) for entry in entries]


def _raw_elements(reply: bytes, offset: int) -> list[bytes]:
    return [raw for _, raw in walk(parse(reply, offset).get(nf.LIST_ELEMENTS, b""))]


def _read_entry(shape: Shape, raw: bytes) -> _Entry:
    found = parse(raw)
    low = parse(found.get(nf.KEY, b"")).get(nf.DATA_VALUE, b"")
    high = parse(found[nf.KEY_END])[nf.DATA_VALUE] if nf.KEY_END in found else low
    ends = bool(read_be32(found.get(nf.ELEMENT_FLAGS, b"")) & nf.INTERVAL_END)
    data = _read_data(shape, parse(found[nf.DATA])) if nf.DATA in found else None
    return _Entry(low, high, ends, data, read_comment(found.get(nf.ELEMENT_USERDATA, b"")))


def _read_data(shape: Shape, data: dict[int, bytes]) -> Data:
    if nf.DATA_VERDICT not in data:
        return decode_tuple(shape.data, data[nf.DATA_VALUE])
    verdict = parse(data[nf.DATA_VERDICT])
    code = int.from_bytes(verdict[nf.VERDICT_CODE], "big", signed=True)
    kind = next((word for word, number in nf.VERDICTS.items() if number == code), str(code))
    return Verdict(kind, read_text(verdict.get(nf.VERDICT_CHAIN, b"")))


def _paired(entries: list[_Entry]) -> list[_Entry]:
    """Starts joined with the ends that follow them; an interval without an end reaches the last key."""
    ordered = sorted(entries, key=lambda entry: (entry.low, not entry.ends))
    result: list[_Entry] = []
    for entry, follower in zip_longest(ordered, ordered[1:]):
        if entry.ends:
            continue
        last = b"\xff" * len(entry.low)
        if follower is not None:
            last = (int.from_bytes(follower.low, "big") - 1).to_bytes(len(entry.low), "big")
        result.append(_Entry(entry.low, last, False, entry.data, entry.comment))
    return result


def _read_key(shape: Shape, entry: _Entry) -> Key:
    low, high = decode_tuple(shape.key, entry.low), decode_tuple(shape.key, entry.high)
    return tuple(joined(first, last) for first, last in zip(low, high, strict=True))
