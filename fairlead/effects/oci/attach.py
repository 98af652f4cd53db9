"""A container's console: conmon's attach socket.

The socket is SOCK_SEQPACKET. Each packet from conmon is one byte (2 stdout, 3 stderr) and the
output; what we send is stdin as it is, and shutting our side down closes the container's stdin
(unless conmon was told to leave it open). conmon writes to its clients without a time limit, so a
client that does not read holds the container's output up, exactly as a full pipe would.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from fairlead.model.runtime import STDERR, STDOUT

PACKET = 64 << 10
STDIN_PACKET = 8 << 10
"""conmon reads stdin in packets of at most 32 KiB less one; longer ones would be cut off."""

_STREAMS = {2: STDOUT, 3: STDERR}


class ConsoleClient:
    """One client of a console: output in, stdin out."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    async def read(self) -> tuple[int, bytes] | None:
        """The next output as (stream, bytes); None when the container's output has ended."""
        try:
            packet = await self._loop.sock_recv(self._socket, PACKET)
        except OSError:
            return None
        if not packet:
            return None
        return _STREAMS.get(packet[0], STDOUT), packet[1:]

    async def write(self, data: bytes) -> None:
        """Send stdin. Raises ConnectionError when the container has ended."""
        for start in range(0, len(data), STDIN_PACKET):
            await self._loop.sock_sendall(self._socket, data[start : start + STDIN_PACKET])

    async def close_stdin(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it has ended before

    def close(self) -> None:
        self._socket.close()


def connect(bundle: Path) -> ConsoleClient:
    """Connect to the console of a created container. Raises OSError when there is none.

    The path goes through a descriptor of the bundle, as a socket's path may not be longer than 107 bytes.
    """
    folder = os.open(bundle, os.O_PATH | os.O_CLOEXEC)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        client.setblocking(False)
        client.connect(f"/proc/self/fd/{folder}/attach")
    except BaseException:
        client.close()
        raise
    finally:
        os.close(folder)
    return ConsoleClient(client)
