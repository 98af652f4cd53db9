"""The sandbox's table in a real namespace: questions reach the resolver's sockets, and nothing is tracked for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.core.firewall.sandbox import resolver_table
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.netlink import NETFILTER, Channel
from fairlead.effects.kernel.nft import Nftables
from fairlead.effects.kernel.pool import furnished_namespace
from fairlead.model.ruleset import Transaction

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

LISTENING, ASKED = ("127.0.0.11", 61053), ("127.0.0.11", 53)
LARGE = b"answer " * 100_000


@dataclass
class Box:
    """A sandbox whose resolver listens."""

    descriptor: int
    udp: socket.socket
    tcp: socket.socket

    def socket(self, kind: socket.SocketKind) -> socket.socket:
        with netns.entered_descriptor(self.descriptor):
            made = socket.socket(socket.AF_INET, kind)
        made.settimeout(5)
        return made

    def tracked(self) -> int:
        with netns.entered_descriptor(self.descriptor):
            return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())


@pytest.fixture
def box() -> Iterator[Box]:
    descriptor = furnished_namespace()
    with ExitStack() as closing:
        closing.callback(os.close, descriptor)
        with netns.entered_descriptor(descriptor):
            channel = Channel(NETFILTER)
            udp, tcp = (socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        for each in (channel, udp, tcp):
            closing.callback(each.close)
        table = resolver_table(LISTENING[1], LISTENING[1])
        Nftables(channel).commit(Transaction(table.family, table.name, replace=table))
        for each in (udp, tcp):
            each.bind(LISTENING)
            each.settimeout(5)
        tcp.listen()
        yield Box(descriptor, udp, tcp)


def test_a_datagram_is_answered_from_where_it_was_sent_to(box: Box) -> None:
    with box.socket(socket.SOCK_DGRAM) as client:
        client.connect(ASKED)
        client.send(b"who?")
        asked, source = box.udp.recvfrom(64)
        assert asked == b"who?"
        box.udp.sendto(b"me", source)
        assert client.recv(64) == b"me"


def test_a_stream_of_many_segments_arrives_whole(box: Box) -> None:
    with box.socket(socket.SOCK_STREAM) as client:
        client.connect(ASKED)
        serving, _ = box.tcp.accept()
        with serving:
            serving.setblocking(False)
            left, got = LARGE, b""
            while left or len(got) < len(LARGE):
                if left:
                    left = left[serving.send(left[:60_000]) :]
                got += client.recv(1 << 17)
        assert got == LARGE
        assert client.getpeername() == ASKED


def test_where_nobody_listens_a_connection_is_refused_at_once(box: Box) -> None:
    box.tcp.close()
    with box.socket(socket.SOCK_STREAM) as client, pytest.raises(ConnectionRefusedError):
        client.connect(ASKED)


def test_no_connection_is_tracked(box: Box) -> None:
    with box.socket(socket.SOCK_STREAM) as client:
        client.connect(ASKED)
        serving, _ = box.tcp.accept()
        with serving:
            assert box.tracked() == 0
