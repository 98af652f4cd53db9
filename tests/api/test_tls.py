"""TCP with mutual TLS: who may speak, and connections of which one side has ended."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead.api.http import Hijack, Route, json_response
from fairlead.api.server import Server
from fairlead.model.config import TlsFiles
from fairlead.model.errors import Failed
from tests.api.certificates import Authority

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


async def shout(channel) -> None:
    while data := await channel.read():
        await channel.write(data.upper())
    await channel.write(b"BYE")


ROUTES = [
    Route("GET", "/hello", lambda request: json_response("hello")),
    Route("GET", "/large", lambda request: json_response("x" * 5_000_000)),
    Route("POST", "/attach", lambda request: Hijack(shout)),
]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
async def port(authority: Authority) -> AsyncIterator[int]:
    server = Server(ROUTES)
    await server.listen(["tcp://127.0.0.1:0"], authority.issue("server"))
    address = server.addresses[0]
    assert isinstance(address, tuple)
    yield address[1]
    await server.close(patience=1)


class Client:
    """TLS by hand over a TCP stream, so that a test can end one direction and read on."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")

    async def connect(self, port: int) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        await self._until_done(self._tls.do_handshake)
        return self

    async def _until_done(self, step):
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = await asyncio.wait_for(self._reader.read(1 << 16), 30)
                self._incoming.write(data) if data else self._incoming.write_eof()
                continue
            self._flush()
            return result

    def _flush(self) -> None:
        self._writer.write(self._outgoing.read())

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def end(self) -> None:
        """Send close_notify and go on reading."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self._flush()

    async def read(self) -> bytes:
        return await self._until_done(lambda: self._tls.read(1 << 16))

    async def until(self, end: bytes) -> bytes:
        data = b""
        while end not in data:
            data += await self.read()
        return data

    def close(self) -> None:
        self._writer.close()


def trusting(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    return context


async def test_a_client_of_the_same_authority_is_served(authority: Authority, port: int):
    client = await Client(trusting(authority.issue("client"))).connect(port)
    for _ in range(2):
        client.send(GET)
        assert (await client.until(b'"hello"\n')).startswith(b"HTTP/1.1 200 OK")
    client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(await client.until(b'x"\n')) > 5_000_000
    client.close()


async def test_a_client_without_or_with_anothers_certificate_is_not_served(
    authority: Authority, port: int, tmp_path: Path
):
    stranger = Authority(tmp_path / "other").issue("stranger")
    bare = ssl.create_default_context(cafile=str(authority.ca))
    foreign = ssl.create_default_context(cafile=str(authority.ca))
    foreign.load_cert_chain(stranger.cert, stranger.key)
    for context in (bare, foreign):
        with pytest.raises(ssl.SSLError):
            await _ask(context, port)


async def _ask(context: ssl.SSLContext, port: int) -> bytes:
    """In TLS 1.3 a client learns only with the first answer that it was not accepted."""
    client = await Client(context).connect(port)
    client.send(GET)
    return await client.read()


async def test_what_is_not_tls_gets_no_answer(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    answer = await asyncio.wait_for(reader.read(), 30)
    assert b"HTTP" not in answer
    writer.close()


async def test_a_taken_connection_outlives_the_end_of_its_input(authority: Authority, port: int):
    client = await Client(trusting(authority.issue("client"))).connect(port)
    client.send(b"POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
    assert (await client.until(b"EARLY ")).startswith(b"HTTP/1.1 101 UPGRADED")
    client.send(b"late")
    assert await client.until(b"LATE") == b"LATE"
    client.end()
    assert await client.until(b"BYE") == b"BYE"
    client.close()


async def test_unusable_files_are_named(authority: Authority, tmp_path: Path):
    files = authority.issue("server")
    missing = TlsFiles(files.ca, tmp_path / "missing.pem", files.key)
    with pytest.raises(Failed, match=r"missing\.pem"):
        await Server(ROUTES).listen(["tcp://127.0.0.1:0"], missing)
