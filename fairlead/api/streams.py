"""Stdio over a taken-over connection: frames, detach keys, and the copying between a client and a container.

Without a terminal, output is framed so that stdout and stderr can be told apart: `stream, 0, 0, 0`, the length as a
big-endian 32-bit number, then the bytes. With a terminal there is one stream and it is sent as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, Protocol

from fairlead.api.http import Channel
from fairlead.model.errors import Invalid

RAW, MULTIPLEXED = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
MULTIPLEXED_SINCE = (1, 42)
DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"
_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}

Output = Callable[[], Awaitable[tuple[int, bytes] | None]]
"""The next (stream, bytes), None at the end."""


class Input(Protocol):
    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...


def stream_type(terminal: bool, version: tuple[int, int]) -> str:
    """The content type of a stream; older clients know only one name."""
    return RAW if terminal or version < MULTIPLEXED_SINCE else MULTIPLEXED


def frame(stream: int, data: bytes) -> bytes:
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def detach_keys(text: str) -> bytes:
    """ "ctrl-p,ctrl-q" or "a,b" as the bytes that a terminal sends. Raises Invalid."""
    result = bytearray()
    for key in (text or DEFAULT_DETACH_KEYS).split(","):
        if len(key) == 1:
            result += key.encode()
            continue
        letter = key.removeprefix("ctrl-")
        if not key.startswith("ctrl-") or len(letter) != 1:
            raise Invalid(f"Invalid detach keys ({text}) provided")
        if "a" <= letter <= "z":
            result.append(ord(letter) - ord("a") + 1)
        elif letter in _CONTROL:
            result.append(_CONTROL[letter])
        else:
            raise Invalid(f"Invalid detach keys ({text}) provided")
    return bytes(result)


class DetachFilter:
    """Finds the detach keys in typed input, also when they come in pieces."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what may be passed on, whether the keys were typed). The beginning of the keys is held back."""
        data = self._held + data
        found = data.find(self._keys)
        if found >= 0:
            return data[:found], True
        for length in range(min(len(self._keys) - 1, len(data)), 0, -1):
            if self._keys.startswith(data[-length:]):
                self._held = data[-length:]
                return data[:-length], False
        self._held = b""
        return data, False


async def copy_output(channel: Channel, read: Output, terminal: bool, wanted: Collection[int]) -> None:
    """Send output until it ends."""
    while (item := await read()) is not None:
        stream, data = item
        if stream in wanted:
            await channel.write(data if terminal else frame(stream, data))


async def copy_input(channel: Channel, target: Input, keys: DetachFilter | None) -> bool:
    """Pass input on until its end; True when the detach keys were typed."""
    try:
        while data := await channel.read():
            detached = False
            if keys is not None:
                data, detached = keys.feed(data)
            if data:
                await target.write(data)
            if detached:
                return True
        await target.close_stdin()
    except ConnectionError:
        return False
    return False


async def converse(outputs: Sequence[Coroutine[Any, Any, None]], typing: Coroutine[Any, Any, bool] | None) -> bool:
    """Copy both ways until all output has ended or the user detached; True for the latter."""
    listening = asyncio.ensure_future(asyncio.gather(*outputs))
    typed = None if typing is None else asyncio.ensure_future(typing)
    tasks = [task for task in (listening, typed) if task is not None]
    try:
        if typed is not None:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if typed.done() and typed.result():
                return True
        await listening
    except ConnectionError:
        return False  # the client has left
    finally:
        for task in tasks:
            task.cancel()
        # Whoever called closes the descriptors next: nobody may still be waiting on them.
        await asyncio.gather(*tasks, return_exceptions=True)
    return False
