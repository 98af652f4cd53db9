"""Datagrams by the batch, over loopback."""

import socket
from collections.abc import Iterator

import pytest

from fairlead.effects.wire.batch import Batch
from tests.effects.wire.spaces import Space, inside

Ends = tuple[socket.socket, socket.socket, socket.socket]


def make_ends() -> Ends:
    """A server and two clients that are connected to it."""
    server, alice, bob = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
    server.setblocking(False)
    server.bind(("127.0.0.1", 0))
    for client in (alice, bob):
        client.settimeout(5)
        client.connect(server.getsockname())
    return server, alice, bob


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = make_ends()
    yield made
    for end in made:
        end.close()


@pytest.fixture
def cramped() -> Iterator[Ends]:
    """The same where a packet has at most a hundred bytes, so that the kernel refuses to cut longer replies apart."""
    space = Space()
    try:
        space.run("ip", "link", "set", "lo", "mtu", "100")
        made = inside(space.path, make_ends)
        yield made
        for end in made:
            end.close()
    finally:
        space.close()


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


def ask_all(ends: Ends, questions: list[bytes], room: int = 200) -> None:
    """Both clients ask everything, in turn, and each gets all answers, those of one length in their order."""
    server, alice, bob = ends
    for question in questions:
        alice.send(question)
        bob.send(question)
    assert Batch(64, room).serve(server.fileno(), shout) == (2 * len(questions), [])
    for client in (alice, bob):
        heard = [client.recv(room) for _ in questions]
        assert sorted(heard, key=len) == sorted((question.upper() for question in questions), key=len)


def test_replies_of_one_length_to_one_client_arrive_each_by_itself(ends: Ends) -> None:
    ask_all(ends, [b"question %02d" % number for number in range(32)])


def test_replies_of_many_lengths_arrive(ends: Ends) -> None:
    ask_all(ends, [b"q" * (1 + number % 5) + b"%02d" % number for number in range(30)])


def test_what_the_kernel_does_not_cut_apart_is_sent_one_by_one(cramped: Ends) -> None:
    ask_all(cramped, [b"q" * 120 + b"%02d" % number for number in range(20)])


def test_a_batch_that_served_a_crowd_serves_a_single_client_again(ends: Ends) -> None:
    server, alice, _ = ends
    batch = Batch(64, 100)
    for count in (20, 1, 3, 1):
        for number in range(count):
            alice.send(b"%02d" % number)
        assert batch.serve(server.fileno(), shout) == (count, [])
        assert [alice.recv(100) for _ in range(count)] == [b"%02d" % number for number in range(count)]
