"""Bytes to messages and back. Whatever does not decode is the peer's fault: `PeerError("malformed")`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.wire.messages import Message, Packet, Record
from fairlead.core.gossip.wire.stream import Reply, Request

_T = TypeVar("_T")

_encode = msgspec.msgpack.Encoder().encode
_packets = msgspec.msgpack.Decoder(Packet)
_records: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)


def encode(message: Message | Request | Reply) -> bytes:
    return _encode(message)


def packet_head(sender: str) -> bytes:
    """The start of every packet of this sender, up to the number of messages."""
    return b"\x92" + _encode(sender) + b"\xdc"


def packet(head: bytes, messages: Sequence[bytes]) -> bytes:
    """A packet from already encoded messages: a change that goes to many peers is encoded once."""
    return b"".join((head, len(messages).to_bytes(2, "big"), *messages))


def decode_record(blob: bytes) -> Record:
    return _decode(_records, blob)


def decode_packet(body: bytes) -> Packet:
    return _decode(_packets, body)


def decode_request(body: bytes) -> Request:
    return _decode(_requests, body)


def decode_reply(body: bytes) -> Reply:
    return _decode(_replies, body)


def _decode(decoder: msgspec.msgpack.Decoder[_T], body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:  # ValueError: msgspec's own errors and broken UTF-8
        raise PeerError("malformed", str(error)[:200]) from None
