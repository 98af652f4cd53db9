"""A real server on a unix socket with toy routes, and a raw client to talk to it byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from fairlead.api.http import Route
from fairlead.api.server import Server

DEADLINE = 30.0


class RawClient:
    """Bytes out, bytes in; nothing is interpreted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), DEADLINE)

    async def exactly(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), DEADLINE)

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), DEADLINE)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, headers and body."""
        first, *lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        status = int(first.split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self.chunked()
        return status, headers, await self.exactly(int(headers.get("content-length", "0")))

    async def chunked(self) -> bytes:
        body = b""
        while size := int(await self.until(b"\r\n"), 16):
            body += await self.exactly(size)
            assert await self.exactly(2) == b"\r\n"
        assert await self.exactly(2) == b"\r\n"
        return body

    async def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return await self.answer()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Place:
    """A server and those who talk to it."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server, self.path = server, path
        self._clients: list[RawClient] = []

    async def client(self) -> RawClient:
        client = RawClient(*await asyncio.open_unix_connection(str(self.path), limit=1 << 24))
        self._clients.append(client)
        return client

    def blocking_socket(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(DEADLINE)
        client.connect(str(self.path))
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.server.close(patience=1)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[[Iterable[Route]], object]]:
    """`place = await serve([Route(...), ...])`."""
    places: list[Place] = []

    async def start(routes: Iterable[Route]) -> Place:
        path = tmp_path / f"s{len(places)}.sock"
        server = Server(routes)
        await server.listen([f"unix://{path}"])
        places.append(Place(server, path))
        return places[-1]

    yield start
    for place in places:
        await place.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - the condition may be anything
            await asyncio.sleep(0.005)
