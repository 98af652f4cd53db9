"""Netlink sockets: many requests in one send, one answer for each.

The kernel handles a request inside `sendmsg`, so every answer is in the receive queue when the send returns. It takes
the requests of one datagram in order and goes on after one that failed (netlink_rcv_skb), so a batch yields one
acknowledgement per request. Errors come with the kernel's own words (extended ACK).

A socket belongs for ever to the network namespace in which it was opened, and keeps that namespace alive.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from struct import Struct, pack

from fairlead.effects.kernel.attributes import parse, read_text

ROUTE, XFRM, NETFILTER, GENERIC = 0, 6, 12, 16
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUDE, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
NEW = CREATE | EXCLUDE
PUT = CREATE | REPLACE

_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK, _STRICT_CHECK, _NO_ENOBUFS = 10, 11, 12, 5
_SNDBUFFORCE, _RCVBUFFORCE = 32, 33
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_FLAG_MULTI, _FLAG_INTERRUPTED, _FLAG_CAPPED, _FLAG_TLVS = 0x2, 0x10, 0x100, 0x200
_MESSAGE_TEXT = 1

HEADER = Struct("=IHHII")
_ERROR = Struct("=i")
_RECEIVE = 1 << 16
_BUFFER = 4 << 20
_BATCH = 512
_QUESTIONS = 128
_PATIENCE = pack("ll", 10, 0)
OWN_PORTS, OWN_PORTS_MASK = 0x46000000, 0xFF000000
"""Port ids of our sockets of rtnetlink and nf_tables, by which listeners know our changes: above all pids, of which the
kernel makes ids for those who do not care, and below what it gives to their second sockets."""
_serial = count(1)
_DUMP_TRIES = 5


@dataclass(frozen=True, slots=True)
class Message:
    """A request: its type, flags beyond REQUEST, and everything after the header."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of one request: 0 or a positive errno, and the kernel's explanation if it gave one."""

    errno: int
    detail: str = ""


DONE = Ack(0)


class Channel:
    """One netlink socket in the namespace of the calling thread."""

    def __init__(self, protocol: int, groups: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        for option in (_EXT_ACK, _CAP_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.setsockopt(_SOL_NETLINK, _STRICT_CHECK if protocol == ROUTE else _NO_ENOBUFS, 1)
        for option in (_SNDBUFFORCE, _RCVBUFFORCE):
            self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._send_room = _BUFFER
        self._bind(protocol, groups)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        self.port_id: int = self._socket.getsockname()[0]
        self._sequence = 0

    def _bind(self, protocol: int, groups: int) -> None:
        """Another daemon in the same namespace may have a port id of ours: then the next one."""
        while protocol in (ROUTE, NETFILTER):
            try:
                self._socket.bind((OWN_PORTS | next(_serial) & ~OWN_PORTS_MASK, groups))
            except OSError as refused:
                if refused.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        self._socket.bind((0, groups))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def request(self, messages: Sequence[Message]) -> list[Ack]:
        """Send all, and return one `Ack` for each in the same order."""
        acks: list[Ack] = []
        for start in range(0, len(messages), _BATCH):
            acks += self._exchange(messages[start : start + _BATCH])
        return acks

    def _exchange(self, messages: Sequence[Message]) -> list[Ack]:
        first = self._sequence + 1
        self._send(b"".join([self.frame(message, ACK) for message in messages]))
        acks: list[Ack | None] = [None] * len(messages)
        waiting = len(messages)
        while waiting:
            for kind, flags, sequence, payload in split(self._socket.recv(_RECEIVE)):
                index = sequence - first
                if kind == _NLMSG_ERROR and 0 <= index < len(acks) and acks[index] is None:
                    acks[index] = read_ack(flags, payload)
                    waiting -= 1
        return [ack for ack in acks if ack is not None]

    def frame(self, message: Message, extra: int = 0) -> bytes:
        """The bytes of a message under the next sequence number."""
        self._sequence += 1
        size = HEADER.size + len(message.body)
        header = HEADER.pack(size, message.type, message.flags | REQUEST | extra, self._sequence, 0)
        return header + message.body + bytes(-size & 3)

    def transact(self, messages: Sequence[Message]) -> dict[int, Ack]:
        """Send one batch whose members answer only when they fail; returns the failures by index.

        nfnetlink applies the batch within the send, so no answer in the queue means success.
        """
        first = self._sequence + 1
        self._send(b"".join([self.frame(message) for message in messages]))
        failed: dict[int, Ack] = {}
        while (datagram := self._receive_now()) is not None:
            for kind, flags, sequence, payload in split(datagram):
                if kind == _NLMSG_ERROR and sequence >= first:
                    failed.setdefault(sequence - first, read_ack(flags, payload))
        return failed

    def _send(self, data: bytes) -> None:
        if 2 * len(data) > self._send_room:
            self._send_room = 2 * len(data)
            self._socket.setsockopt(socket.SOL_SOCKET, _SNDBUFFORCE, self._send_room)
        self._socket.sendto(data, (0, 0))

    def _receive_now(self) -> bytes | None:
        try:
            return self._socket.recv(_RECEIVE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def ask(self, messages: Sequence[Message]) -> list[bytes | Ack]:
        """One reply, or the refusal, for each of several requests that are not dumps."""
        answers: list[bytes | Ack] = []
        for start in range(0, len(messages), _QUESTIONS):
            answers += self._ask(messages[start : start + _QUESTIONS])
        return answers

    def _ask(self, messages: Sequence[Message]) -> list[bytes | Ack]:
        first = self._sequence + 1
        self._send(b"".join([self.frame(message) for message in messages]))
        answers: dict[int, bytes | Ack] = {}
        while len(answers) < len(messages):
            for kind, flags, sequence, payload in split(self._socket.recv(_RECEIVE)):
                if 0 <= sequence - first < len(messages):
                    answers[sequence - first] = read_ack(flags, payload) if kind == _NLMSG_ERROR else payload
        return [answers[index] for index in range(len(messages))]

    def dump(self, message: Message) -> list[bytes]:
        """Everything of a kind; taken again when a change interrupted it. Raises OSError."""
        for _ in range(_DUMP_TRIES):
            replies, complete = self._dump_once(message)
            if complete:
                break
        return replies

    def _dump_once(self, message: Message) -> tuple[list[bytes], bool]:
        self._send(self.frame(message, DUMP))
        sequence = self._sequence
        replies: list[bytes] = []
        complete = True
        while True:
            for kind, flags, number, payload in split(self._socket.recv(_RECEIVE)):
                if number != sequence:
                    continue
                complete = complete and not flags & _FLAG_INTERRUPTED
                if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    code = -_ERROR.unpack_from(payload)[0] if len(payload) >= _ERROR.size else 0
                    if code:
                        raise OSError(code, read_ack(flags, payload).detail or errno.errorcode.get(code, str(code)))
                    return replies, complete
                replies.append(payload)


def split(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The messages of a datagram as (type, flags, sequence, payload)."""
    for kind, flags, sequence, _, payload in split_with_sender(datagram):
        yield kind, flags, sequence, payload


def split_with_sender(datagram: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """The messages of a datagram as (type, flags, sequence, port id, payload)."""
    offset, end = 0, len(datagram)
    while offset + HEADER.size <= end:
        size, kind, flags, sequence, port = HEADER.unpack_from(datagram, offset)
        if size < HEADER.size or offset + size > end:
            return
        yield kind, flags, sequence, port, datagram[offset + HEADER.size : offset + size]
        offset += (size + 3) & ~3


def read_ack(flags: int, payload: bytes) -> Ack:
    """The outcome and the extended-ACK text, which follows the echoed request (capped to its header on success)."""
    code = -_ERROR.unpack_from(payload)[0]
    if not flags & _FLAG_TLVS:
        return Ack(code) if code else DONE
    echoed = HEADER.size if flags & _FLAG_CAPPED else HEADER.unpack_from(payload, 4)[0]
    return Ack(code, read_text(parse(payload, 4 + ((echoed + 3) & ~3)).get(_MESSAGE_TEXT, b"")))
