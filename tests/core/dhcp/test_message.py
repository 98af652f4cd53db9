"""DHCP on the wire: there and back, and whatever a stranger may send."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.dhcp import frame, message
from fairlead.core.dhcp.message import Kind, MalformedError, Message, Option, decode, encode

MAC = "02:42:0a:00:00:05"
OFFER = Message(
    Kind.OFFER,
    0x12345678,
    MAC,
    op=message.BOOTREPLY,
    yiaddr=IPv4Address("10.0.0.5"),
    options={Option.MASK: b"\xff\xff\xff\x00", Option.SERVER: b"\x0a\x00\x00\x01", Option.LEASE_TIME: b"\0\0\x0e\x10"},
)
ROUTE = frame.Route(MAC, IPv4Address("10.0.0.5"), "02:00:00:00:00:01", IPv4Address("10.0.0.1"))

addresses = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
options = st.dictionaries(st.integers(1, 254).filter(lambda c: c not in (52, 53)), st.binary(max_size=600), max_size=6)
messages = st.builds(
    Message,
    st.sampled_from(Kind),
    st.integers(0, 2**32 - 1),
    st.just(MAC),
    st.sampled_from((1, 2)),
    st.integers(0, 65535),
    st.sampled_from((0, message.BROADCAST)),
    addresses,
    addresses,
    options,
)


@given(messages)
def test_what_is_written_is_read(said: Message) -> None:
    assert decode(encode(said)) == said


@given(st.binary(max_size=700), st.integers(0, 600), st.integers(0, 255))
def test_a_stranger_s_bytes_are_read_or_refused(noise: bytes, at: int, octet: int) -> None:
    good = bytearray(encode(OFFER))
    good[at % len(good)] = octet
    for data in (noise, bytes(good), bytes(good[: at % len(good)])):
        try:
            assert isinstance(decode(data), Message)
        except MalformedError:
            continue


def test_options_may_lie_in_the_fields_of_bootp() -> None:
    plain = bytearray(encode(Message(Kind.ACK, 1, MAC, op=2, options={52: b"\3"})))
    sname, file = 44, 108
    plain[file : file + 7] = bytes([Option.MASK, 4, 255, 255, 0, 0, 255])
    plain[sname : sname + 7] = bytes([Option.SERVER, 4, 10, 0, 0, 1, 255])
    said = decode(bytes(plain))
    assert said.address(Option.MASK) == IPv4Address("255.255.0.0")
    assert said.address(Option.SERVER) == IPv4Address("10.0.0.1")


@pytest.mark.parametrize("length", [0, 1, 236, 239])
def test_short_messages_are_refused(length: int) -> None:
    with pytest.raises(MalformedError):
        decode(bytes(length))


def to_client(data: bytes) -> bytes:
    """A frame to the client's port: what a server sends has the ports the other way round."""
    wrapped = bytearray(frame.wrap(ROUTE, data))
    wrapped[34:38] = b"\x00\x43\x00\x44"
    return bytes(wrapped)


def test_a_frame_carries_a_datagram() -> None:
    received = frame.unwrap(to_client(b"hello"))
    assert received == frame.Received(MAC, IPv4Address("10.0.0.5"), b"hello")


def test_a_frame_for_somebody_else_is_none() -> None:
    assert frame.unwrap(frame.wrap(ROUTE, b"hello")) is None


@given(st.integers(0, 60), st.integers(0, 255), st.integers(0, 80))
def test_a_broken_frame_is_none_or_shorter(at: int, octet: int, length: int) -> None:
    damaged = bytearray(to_client(b"x" * 20))
    damaged[at % len(damaged)] = octet
    received = frame.unwrap(bytes(damaged[: len(damaged) - length % len(damaged)]))
    assert received is None or len(received.data) <= 20


def test_checksums_are_right() -> None:
    packet = frame.wrap(ROUTE, b"odd")[14:]
    assert frame.checksum(packet[:20]) == 0
    pseudo = packet[12:20] + b"\0\x11" + packet[24:26]
    assert frame.checksum(pseudo + packet[20:]) == 0
