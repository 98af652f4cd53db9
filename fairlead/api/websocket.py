"""A console over a WebSocket (RFC 6455): what a browser can attach with.

    client ── frames ──▶ WebSocket.read  ──▶ stdin          output ──▶ WebSocket.write ── frames ──▶ client

Output goes out in binary messages, both streams in one, as Docker's does. Messages have no meaning beyond their bytes:
where one ends is not told.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1

from fairlead.api.http import Channel
from fairlead.model.errors import Invalid

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE, _PING, _PONG = 0x2, 0x8, 0x9, 0xA
_FINAL, _MASKED, _CONTROL = 0x80, 0x80, 0x8
MAX_FRAME = 1 << 20


def accept(headers: Mapping[str, str]) -> str:
    """`Sec-WebSocket-Accept` for a client's handshake. Raises `Invalid` when the request is none."""
    key = headers.get("sec-websocket-key", "")
    if headers.get("upgrade", "").lower() != "websocket" or not key:
        raise Invalid("not a WebSocket handshake: Upgrade must be websocket, and Sec-WebSocket-Key be given")
    return b64encode(sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()).decode()


class WebSocket:
    """A `Channel` of frames on a `Channel` of bytes. What breaks the protocol ends it, as does a close."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._inbox = bytearray()
        self._over = False

    async def read(self) -> bytes:
        while not self._over:
            frame = _take_frame(self._inbox)
            if frame is None:
                data = await self._channel.read()
                self._inbox += data
                self._over = not data
                continue
            opcode, payload = frame
            if opcode == _PING:
                await self._channel.write(_frame(_PONG, payload))
            elif opcode < _CONTROL and payload:
                return payload
            elif opcode == _CLOSE:
                self._over = True
                await self._channel.write(_frame(_CLOSE, payload[:2]))
        return b""

    async def write(self, data: bytes) -> None:
        await self._channel.write(_frame(_BINARY, data))

    async def write_eof(self) -> None:
        await self._channel.write(_frame(_CLOSE, b"\x03\xe8"))


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes((size,))
    else:
        length = b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16 else b"\x7f" + size.to_bytes(8, "big")
    return bytes((_FINAL | opcode,)) + length + payload


def _take_frame(inbox: bytearray) -> tuple[int, bytes] | None:
    """(opcode, payload) of the first frame, None until it is whole. A frame that may not be is a close."""
    if len(inbox) < 2:
        return None
    opcode, size, at = inbox[0] & 0xF, inbox[1] & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, at = int.from_bytes(inbox[2 : 2 + width], "big"), 2 + width
    if not inbox[1] & _MASKED or size > MAX_FRAME:
        return _CLOSE, b"\x03\xea"
    end = at + 4 + size
    if len(inbox) < end:
        return None
    mask = bytes(inbox[at : at + 4])
    payload = _unmasked(bytes(inbox[at + 4 : end]), mask)
    del inbox[:end]
    return opcode, payload


def _unmasked(data: bytes, mask: bytes) -> bytes:
    whole = mask * (len(data) // 4 + 1)
    return (int.from_bytes(data, "big") ^ int.from_bytes(whole[: len(data)], "big")).to_bytes(len(data), "big")
