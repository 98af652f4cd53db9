"""What a filter lets through, on a real socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

import pytest

from fairlead.effects.kernel import socket_filter as bpf
from fairlead.effects.kernel.attributes import text, u32
from fairlead.effects.kernel.netlink import HEADER

GROUP, OTHER = 27, 3


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    with sender, receiver:
        yield sender, receiver


def message(kind: int, flags: int = 0, port: int = 0, payload: bytes = b"") -> bytes:
    return HEADER.pack(HEADER.size + len(payload), kind, flags, 0, port) + payload


def passed(
    pair: tuple[socket.socket, socket.socket], steps: Sequence[bpf.Step], messages: Sequence[bytes]
) -> list[int]:
    """Which of the messages come out, whole."""
    sender, receiver = pair
    bpf.attach(receiver, steps)
    for each in messages:
        sender.send(each)
    heard = []
    while True:
        try:
            heard.append(receiver.recv(1 << 16))
        except BlockingIOError:
            return [messages.index(each) for each in heard]


def test_no_steps_let_everything_through(pair: tuple[socket.socket, socket.socket]) -> None:
    assert passed(pair, [], [message(1), message(2)]) == [0, 1]


def test_kinds(pair: tuple[socket.socket, socket.socket]) -> None:
    steps = [bpf.half(bpf.TYPE_AT), *bpf.drop_unless("=H", 21, 25, 0x1234)]
    assert passed(pair, steps, [message(kind) for kind in (20, 21, 25, 0x1234, 0x3412, 26)]) == [1, 2, 3]


def test_a_range_of_senders(pair: tuple[socket.socket, socket.socket]) -> None:
    steps = [bpf.word(bpf.PORT_AT), bpf.masked("=I", 0xFF000000), bpf.drop_if("=I", 0x46000000)]
    assert passed(pair, steps, [message(1, port=port) for port in (0x46000001, 0x47000001, 0x01000046)]) == [1, 2]


def test_a_verdict_spares_the_following_steps(pair: tuple[socket.socket, socket.socket]) -> None:
    steps = [bpf.half(bpf.FLAGS_AT), bpf.masked("=H", 2), bpf.pass_if("=H", 2), bpf.half(0), *bpf.drop_unless("=H", 0)]
    assert passed(pair, steps, [message(1, 2), message(1, 7), message(1, 5)]) == [0, 1]


def test_attributes(pair: tuple[socket.socket, socket.socket]) -> None:
    steps = [
        bpf.half(bpf.TYPE_AT),
        bpf.pass_unless("=H", 16),
        *bpf.attribute_word(GROUP, bpf.PAYLOAD_AT + 4),
        bpf.drop_if("=I", 7),
    ]
    head = struct.pack("=I", 0)
    payloads = [
        head + text(OTHER, "name") + u32(GROUP, 7),
        head + u32(GROUP, 7) + u32(OTHER, 8),
        head + u32(OTHER, 7) + u32(GROUP, 8),
        head + u32(OTHER, 7),
        head,
    ]
    messages = [*(message(16, payload=payload) for payload in payloads), message(17, payload=payloads[0])]
    assert passed(pair, steps, messages) == [2, 3, 4, 5]
