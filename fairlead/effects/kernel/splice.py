"""Carrying connections and datagrams between a held port and a container, on the event loop.

A TCP connection is copied both ways, each as fast as its reader takes it; the end of one direction is passed on as
such, so that half-closed connections live on. UDP knows no connections: each source has a socket of its own towards
the container, forgotten when nothing came for a while, and answers leave from the address that was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct, pack
from typing import Protocol

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1024
MAX_SOURCES = 1024
SOURCE_IDLE = 90.0
CONNECT_PATIENCE = 10.0

_CHUNK = 1 << 16
_BACKLOG = 128
_BURST = 64
_RESET = pack("ii", 1, 0)
_PACKET_INFO4 = Struct("=I4s4s")
_PACKET_INFO6 = Struct("=16sI")
_SPACE = socket.CMSG_SPACE(_PACKET_INFO6.size)
_IP_PKTINFO = 8
_IPPROTO_IPV6_PKTINFO = 50

Source = tuple[str, int] | tuple[str, int, int, int]
Ancillary = list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where it goes."""

    address: str
    port: int


class Splice(Protocol):
    def close(self) -> None:
        """Stop, and end what is on its way; the held socket stays bound if it was only read from."""
        ...


class TcpSplice:
    """Listens on the held socket and connects each caller with the target."""

    def __init__(self, held: socket.socket, target: Target, loopback_only: bool) -> None:
        self._target, self._loopback_only = target, loopback_only
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._held = held
        _listen(held)
        self._loop.add_reader(held, self._accept)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._held)
        with contextlib.suppress(OSError):
            self._held.shutdown(socket.SHUT_RD)
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(_BURST):
            try:
                caller, _source = self._held.accept()
            except OSError as refused:
                if refused.errno in (errno.EMFILE, errno.ENFILE):
                    self._rest()
                return
            caller.setblocking(False)
            # It may linger in TIME_WAIT, and shall not keep the next holder from the port then.
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if len(self._tasks) >= MAX_CONNECTIONS or not self._admits(caller):
                _reset(caller)
                continue
            task = self._loop.create_task(self._carry(caller))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _rest(self) -> None:
        """Out of descriptors: the caller stays in the backlog, and we look again in a second."""
        self._loop.remove_reader(self._held)
        self._timer = self._loop.call_later(1.0, self._loop.add_reader, self._held, self._accept)

    def _admits(self, caller: socket.socket) -> bool:
        return not self._loopback_only or ip_address(caller.getsockname()[0]).is_loopback

    async def _carry(self, caller: socket.socket) -> None:
        """Both directions until both have ended; a failure of either ends the connection with a reset."""
        target: socket.socket | None = None
        try:
            target = await self._connect()
            for each in (caller, target):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._copy(caller, target))
                both.create_task(self._copy(target, caller))
        except* OSError:
            _linger(caller)
            if target is not None:
                _linger(target)
        finally:
            caller.close()
            if target is not None:
                target.close()

    async def _connect(self) -> socket.socket:
        target = _socket_to(self._target, socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await self._loop.sock_connect(target, (self._target.address, self._target.port))
        except BaseException:
            target.close()
            raise
        return target

    async def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, _CHUNK):
            await self._loop.sock_sendall(sink, data)
        with contextlib.suppress(OSError):  # the other side may be gone already, with nothing left to lose
            sink.shutdown(socket.SHUT_WR)


def _listen(held: socket.socket) -> None:
    """Connections of an earlier holder may linger on the port: listening checks again who else has it, and looks away
    only from those that may be shared with."""
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.listen(_BACKLOG)
    finally:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


@dataclass(slots=True)
class _Flow:
    """One source's socket to the target. `reply` makes answers leave from the address that was asked."""

    out: socket.socket
    reply: Ancillary
    last: float


class UdpSplice:
    """Reads the held socket; each source gets a flow."""

    def __init__(self, held: socket.socket, target: Target, loopback_only: bool) -> None:
        self._held, self._target, self._loopback_only = held, target, loopback_only
        self._flows: dict[Source, _Flow] = {}
        self._loop = asyncio.get_running_loop()
        if held.family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            held.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._loop.add_reader(held, self._asked)
        self._timer = self._loop.call_later(SOURCE_IDLE, self._forget_idle)

    def close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._held)
        for source in list(self._flows):
            self._forget(source)

    def _asked(self) -> None:
        for _ in range(_BURST):
            try:
                data, ancillary, _, source = self._held.recvmsg(_CHUNK, _SPACE)
            except OSError:
                return
            flow = self._flow(source, ancillary)
            if flow is not None:
                flow.last = self._loop.time()
                with contextlib.suppress(OSError):  # a datagram may be lost, as on any network
                    flow.out.send(data)

    def _flow(self, source: Source, ancillary: Ancillary) -> _Flow | None:
        known = self._flows.get(source)
        if known is not None:
            return known
        asked, reply = _destination(ancillary)
        if len(self._flows) >= MAX_SOURCES or (self._loopback_only and not (asked and ip_address(asked).is_loopback)):
            return None
        out = _socket_to(self._target, socket.SOCK_DGRAM)
        try:
            out.connect((self._target.address, self._target.port))
        except OSError as refused:
            _log.debug("no way to %s: %s", self._target.address, refused)
            out.close()
            return None
        self._flows[source] = flow = _Flow(out, reply, self._loop.time())
        self._loop.add_reader(out, self._answered, source, flow)
        return flow

    def _answered(self, source: Source, flow: _Flow) -> None:
        for _ in range(_BURST):
            try:
                data = flow.out.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:  # the target refuses: ICMP port unreachable
                continue
            flow.last = self._loop.time()
            with contextlib.suppress(OSError):
                self._held.sendmsg([data], flow.reply, 0, source)

    def _forget_idle(self) -> None:
        oldest = self._loop.time() - SOURCE_IDLE
        for source in [source for source, flow in self._flows.items() if flow.last <= oldest]:
            self._forget(source)
        self._timer = self._loop.call_later(SOURCE_IDLE, self._forget_idle)

    def _forget(self, source: Source) -> None:
        flow = self._flows.pop(source)
        self._loop.remove_reader(flow.out)
        flow.out.close()


def _destination(ancillary: Ancillary) -> tuple[str, Ancillary]:
    """The address a datagram was sent to, and the ancillary data for its answer."""
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, _IPPROTO_IPV6_PKTINFO):
            address, _ = _PACKET_INFO6.unpack(raw)
            return socket.inet_ntop(socket.AF_INET6, address), [(level, kind, raw)]
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            _, _, address = _PACKET_INFO4.unpack(raw)
            return socket.inet_ntoa(address), [(level, kind, _PACKET_INFO4.pack(0, address, bytes(4)))]
    return "", []


def _socket_to(target: Target, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _linger(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _reset(connection: socket.socket) -> None:
    """Close so that the peer sees a refusal rather than an end of data."""
    _linger(connection)
    connection.close()
