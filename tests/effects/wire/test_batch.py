"""Datagrams by the batch, over loopback."""

import socket
from collections.abc import Iterator

import pytest

from fairlead.effects.wire.batch import Batch

Ends = tuple[socket.socket, socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A server and two clients that are connected to it."""
    server, *clients = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
    server.setblocking(False)
    server.bind(("127.0.0.1", 0))
    for client in clients:
        client.settimeout(5)
        client.connect(server.getsockname())
    yield server, clients[0], clients[1]
    for end in (server, *clients):
        end.close()


def shout(data: bytes) -> bytes | None:
    return data.upper() if data else None


def test_everybody_gets_the_answer_to_his_own_question(ends: Ends) -> None:
    server, alice, bob = ends
    batch = Batch(8, 100)
    for words in ((b"one", b"two"), (b"three", b"four")):
        alice.send(words[0])
        bob.send(words[1])
        assert batch.serve(server.fileno(), shout) == (2, [])
        assert (alice.recv(100), bob.recv(100)) == (words[0].upper(), words[1].upper())


def test_what_has_no_answer_is_given_back_with_its_sender(ends: Ends) -> None:
    server, alice, bob = ends
    alice.send(b"")
    bob.send(b"hello")
    assert Batch(8, 100).serve(server.fileno(), shout) == (1, [(alice.getsockname(), b"", None)])
    assert bob.recv(100) == b"HELLO"


def test_an_empty_socket_is_no_work(ends: Ends) -> None:
    assert Batch(8, 100).serve(ends[0].fileno(), shout) == (0, [])


def test_no_more_than_a_batch_is_taken_at_once(ends: Ends) -> None:
    server, alice, _ = ends
    batch = Batch(4, 100)
    for number in range(6):
        alice.send(b"%d" % number)
    assert [batch.serve(server.fileno(), shout)[0] for _ in range(3)] == [4, 2, 0]
    assert [alice.recv(100) for _ in range(6)] == [b"%d" % number for number in range(6)]


def test_lengths_do_not_linger(ends: Ends) -> None:
    server, alice, _ = ends
    batch = Batch(2, 100)
    for data in (b"x" * 100, b"y", b"z" * 50):
        alice.send(data)
        batch.serve(server.fileno(), shout)
        assert alice.recv(200) == data.upper()


def test_what_is_too_long_is_cut_on_the_way_in_and_lost_on_the_way_out(ends: Ends) -> None:
    server, alice, _ = ends
    batch = Batch(4, 10)
    alice.send(b"x" * 30)
    assert batch.serve(server.fileno(), shout) == (1, [])
    assert alice.recv(100) == b"X" * 10
    alice.send(b"x")
    alice.send(b"y")
    assert batch.serve(server.fileno(), lambda data: data * (11 if data == b"x" else 1)) == (1, [])
    assert alice.recv(100) == b"y"


def test_a_client_that_is_gone_does_not_hold_up_the_next(ends: Ends) -> None:
    server, _, bob = ends
    batch = Batch(4, 10)
    for _ in range(3):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as passer_by:
            passer_by.sendto(b"bye", server.getsockname())
        bob.send(b"here")
        while batch.serve(server.fileno(), shout)[0]:
            pass
        assert bob.recv(100) == b"HERE"
