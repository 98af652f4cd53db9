"""A console over a WebSocket: the handshake, and messages both ways."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.http import Channel, Hijack, Request, Route
from fairlead.api.websocket import WebSocket, accept
from fairlead.model.errors import Invalid
from tests.api.conftest import Place

Serve = Callable[[list[Route]], Awaitable[Place]]
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455, section 1.3, whose answer is given there."""


class Wire:
    """A channel whose other end is the test: `sent` is what the client is given, in the pieces of `given`."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.sent = b""

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, data: bytes) -> None:
        self.sent += data

    async def write_eof(self) -> None: ...


def masked(opcode: int, payload: bytes, final: bool = True) -> bytes:
    mask, size = os.urandom(4), len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    else:
        length = b"\xfe" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xff" + size.to_bytes(8, "big")
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((0x80 * final | opcode,)) + length + mask + body


async def heard(*pieces: bytes) -> tuple[bytes, bytes]:
    """(what the console gets, what the client gets)."""
    wire = Wire(*pieces)
    socket = WebSocket(wire)
    got = b""
    while data := await socket.read():
        got += data
    return got, wire.sent


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.integers(1, 40))
async def test_messages_arrive_however_they_are_cut(messages: list[bytes], width: int) -> None:
    stream = b"".join(masked(2, message) for message in messages)
    step = max(width, len(stream) // 500 + 1)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert await heard(*pieces) == (b"".join(messages), b"")


async def test_a_message_may_be_in_parts_with_a_ping_between() -> None:
    stream = masked(1, b"ab", final=False) + masked(9, b"there?") + masked(0, b"cd")
    assert await heard(stream) == (b"abcd", b"\x8a\x06there?")


async def test_a_close_is_answered_and_ends() -> None:
    assert await heard(masked(2, b"x") + masked(8, b"\x03\xe8bye") + masked(2, b"late")) == (b"x", b"\x88\x02\x03\xe8")


@pytest.mark.parametrize("frame", [b"\x82\x01x", b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask"])
async def test_what_breaks_the_protocol_ends(frame: bytes) -> None:
    assert await heard(frame, b"more") == (b"", b"\x88\x02\x03\xea")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
async def test_answers_are_binary_messages(size: int) -> None:
    wire = Wire()
    await WebSocket(wire).write(b"x" * size)
    assert wire.sent[0] == 0x82
    assert wire.sent.endswith(b"x" * size)
    assert len(wire.sent) == size + (2 if size < 126 else 4 if size < 1 << 16 else 10)


@pytest.mark.parametrize("headers", [{}, {"upgrade": "tcp", "sec-websocket-key": KEY}, {"upgrade": "websocket"}])
def test_what_is_no_handshake_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="not a WebSocket handshake"):
        accept(headers)


async def test_a_connection_becomes_a_websocket(serve: Serve) -> None:
    async def echo(channel: Channel) -> None:
        socket = WebSocket(channel)
        await socket.write((await socket.read()).upper())
        await socket.write_eof()

    def handler(request: Request) -> Hijack:
        return Hijack(echo, websocket_accept=accept(request.headers))

    client = await (await serve([Route("GET", "/ws", handler)])).client()
    handshake = f"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}"
    client.send(handshake.encode() + b"\r\n\r\n" + masked(1, b"hello"))
    head = await client.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert await client.rest() == b"\x82\x05HELLO\x88\x02\x03\xe8"
