"""The client over mutual TLS: requests, streams, and a connection whose input ends before its output."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fairlead.api.http import Hijack, Route, json_response
from fairlead.api.server import Server
from fairlead.cli.client import Client
from fairlead.cli.endpoint import Endpoint, TlsChoice, choose_endpoint
from fairlead.cli.faults import NoDaemon
from tests.api.certificates import Authority

SIZE = 3_000_000


async def shout(channel) -> None:
    count = 0
    while data := await channel.read():
        count += len(data)
        await channel.write(data.upper())
    await channel.write(b"%d bytes" % count)


ROUTES = [
    Route("GET", "/info", lambda request: json_response({"Name": "there"})),
    Route("POST", "/containers/{id}/attach", lambda request: Hijack(shout)),
]


@pytest.fixture
async def remote(tmp_path: Path):
    """An address, and the client's choice of certificates for it."""
    authority = Authority(tmp_path)
    mine = authority.issue("client")
    server = Server(ROUTES)
    await server.listen(["tcp://127.0.0.1:0"], authority.issue("server"))
    yield f"tcp://127.0.0.1:{server.addresses[0][1]}", TlsChoice(True, tmp_path, "", str(mine.cert), str(mine.key))
    await server.close(patience=1)


async def test_requests_go_over_tls(remote):
    client = Client(Endpoint(*remote))
    assert await asyncio.to_thread(client.get, "/info") == {"Name": "there"}


async def test_input_ends_and_output_goes_on(remote):
    def talk() -> bytes:
        connection, first, _ = Client(Endpoint(*remote)).hijack("/containers/web/attach")
        said = [first]
        connection.sendall(b"words")
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(1 << 16):
            said.append(data)
        connection.close()
        return b"".join(said)

    assert await asyncio.to_thread(talk) == b"WORDS5 bytes"


async def test_both_directions_are_busy_at_once(remote):
    connection, _, _ = await asyncio.to_thread(Client(Endpoint(*remote)).hijack, "/containers/web/attach")

    def speak() -> None:
        for _ in range(SIZE // 30_000):
            connection.sendall(b"x" * 30_000)
        connection.shutdown(socket.SHUT_WR)

    def listen() -> bytes:
        heard = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        connection.close()
        return heard

    heard, _ = await asyncio.wait_for(asyncio.gather(asyncio.to_thread(listen), asyncio.to_thread(speak)), 30)
    assert heard == b"X" * SIZE + b"%d bytes" % SIZE


async def test_a_daemon_of_another_authority_is_not_trusted(remote, tmp_path: Path):
    address, choice = remote
    other = Authority(tmp_path / "other")
    doubtful = TlsChoice(True, choice.directory, str(other.ca), choice.cert, choice.key)
    with pytest.raises(NoDaemon, match="certificate verify failed"):
        await asyncio.to_thread(Client(Endpoint(address, doubtful)).get, "/info")


def test_the_environment_chooses_the_daemon(monkeypatch, tmp_path: Path):
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert choose_endpoint("", None) == Endpoint("unix:///run/fairlead/fairlead.sock")
    assert choose_endpoint("127.0.0.1:2375", None) == Endpoint("tcp://127.0.0.1:2375")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert choose_endpoint("", None) == Endpoint("tcp://10.0.0.1:2376", TlsChoice(True, tmp_path))
    assert choose_endpoint("unix:///x.sock", None) == Endpoint("unix:///x.sock")
