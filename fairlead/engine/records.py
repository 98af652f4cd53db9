"""How the nouns are written down: one JSON document per object, derived from its dataclass.

The codec is compiled once per class from its type hints, so that a field added to a model with a default is
stored from then on and old documents still load. Fields at their default are not written: a container's
document is a few hundred bytes, and a restart with hundreds of containers reads it in well under a
millisecond each. Unknown fields are ignored, so that a daemon can be rolled back.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import IntEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from fairlead.model.change import Delete, Put

T = TypeVar("T")
Codec = Callable[[object], object]


class Record(Protocol):
    """Whatever has an identity."""

    @property
    def id(self) -> str: ...


def kind_of(record: type) -> str:
    """The kind under which objects of this class are stored: the name of the class, which therefore stays."""
    return record.__name__.lower()


def put(record: Record) -> Put:
    return Put(kind_of(type(record)), record.id, encode(record))


def delete(record: Record) -> Delete:
    return Delete(kind_of(type(record)), record.id)


def load(record: type[T], documents: Mapping[str, Mapping[str, bytes]]) -> list[T]:
    """All stored objects of a class."""
    return [decode(record, document) for document in documents.get(kind_of(record), {}).values()]


def encode(value: object) -> bytes:
    return msgspec.json.encode(_plain(value))


def decode(record: type[T], document: bytes) -> T:
    """Raises `msgspec.DecodeError` or `ValueError` for a document that is not one of ours."""
    if (decoder := _DECODERS.get(record)) is None:
        decoder = _DECODERS[record] = _decoder(record)
    value = decoder(msgspec.json.decode(document))
    assert isinstance(value, record)
    return value


# --- writing --------------------------------------------------------------------------------------


def _same(value: object) -> object:
    return value


def _plain(value: object) -> object:
    kind = type(value)
    if (encoder := _ENCODERS.get(kind)) is None:
        encoder = _ENCODERS[kind] = _encoder(kind)
    return encoder(value)


def _encode_items(value: object) -> object:
    return [_plain(item) for item in value]  # type: ignore[attr-defined]


def _encode_mapping(value: object) -> object:
    return {key: _plain(item) for key, item in value.items()}  # type: ignore[attr-defined]


_PLAIN = frozenset((str, int, bool, float, type(None)))
_TEXTUAL = (IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface)


_ENCODERS: dict[type, Codec] = {}


def _encoder(kind: type) -> Codec:
    if kind in _PLAIN:
        return _same
    if kind in _TEXTUAL:
        return str
    if is_dataclass(kind):
        return _dataclass_encoder(kind)
    if issubclass(kind, IntEnum):
        return int  # type: ignore[return-value]
    if issubclass(kind, Mapping):
        return _encode_mapping
    if issubclass(kind, tuple | list | frozenset):
        return _encode_items
    raise TypeError(f"{kind.__name__} cannot be stored")


def _dataclass_encoder(kind: type) -> Codec:
    defaults = [(item.name, _default(item)) for item in fields(kind)]

    def encoder(value: object) -> object:
        return {
            name: item if type(item) in _PLAIN else _plain(item)
            for name, default in defaults
            if (item := getattr(value, name)) != default
        }

    return encoder


def _default(item: Field[object]) -> object:
    return item.default_factory() if item.default_factory is not MISSING else item.default


# --- reading --------------------------------------------------------------------------------------


_PARSERS: dict[object, Codec] = {kind: kind for kind in _TEXTUAL}
_ADDRESSES: dict[frozenset[type], Codec] = {
    frozenset({IPv4Address, IPv6Address}): ip_address,  # type: ignore[dict-item]
    frozenset({IPv4Network, IPv6Network}): ip_network,  # type: ignore[dict-item]
    frozenset({IPv4Interface, IPv6Interface}): ip_interface,  # type: ignore[dict-item]
}


_DECODERS: dict[type, Codec] = {}


def _decoder(hint: object) -> Codec:
    if hint in _PLAIN:
        return _same
    if (parser := _PARSERS.get(hint)) is not None:
        return parser
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union_decoder(arguments)
    if origin in (tuple, frozenset, list):
        return _sequence_decoder(origin, arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_decoder(_decoder(arguments[1]))
    raise TypeError(f"{hint!r} cannot be stored")


def _union_decoder(arguments: tuple[type, ...]) -> Codec:
    choices = frozenset(arguments) - {type(None)}
    inner = _ADDRESSES.get(choices) or _decoder(*choices)
    return lambda value: None if value is None else inner(value)


def _sequence_decoder(origin: type, arguments: tuple[object, ...]) -> Codec:
    if origin is tuple and Ellipsis not in arguments:
        parts = [_decoder(argument) for argument in arguments]
        return lambda value: tuple(part(item) for part, item in zip(parts, value, strict=True))  # type: ignore[call-overload]
    item = _decoder(arguments[0])
    return lambda value: origin(map(item, value))  # type: ignore[call-overload]


def _mapping_decoder(item: Codec) -> Codec:
    return lambda value: {key: item(entry) for key, entry in value.items()}  # type: ignore[attr-defined]


def _dataclass_decoder(kind: type) -> Codec:
    hints = get_type_hints(kind)
    names = [item.name for item in fields(kind)]
    codecs: dict[str, Codec] = {}

    def decoder(value: object) -> object:
        assert isinstance(value, dict)
        if not codecs:
            # Compiled at first use: a class may refer to itself.
            codecs.update((name, _decoder(hints[name])) for name in names)
        return kind(**{name: codecs[name](item) for name, item in value.items() if name in codecs})

    return decoder
