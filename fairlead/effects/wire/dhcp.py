"""The shell of DHCP clients: frames by packet sockets on the parent interfaces of networks.

A socket that sees every frame costs every frame something, so one is open only while its client waits for an answer,
and the kernel hands up nothing but datagrams to port 68. The taps of the kernel come before macvlan and ipvlan take
their frames, so answers to a container's own address are seen here too.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from fairlead.model.errors import Failed
from fairlead.model.lease import Lease, LeaseRequest

_EVERY_PROTOCOL = 0x0003
_ATTACH_FILTER = 26
_LARGEST = 1 << 16
_BUDGET = 64
_LEASE_FILTER = (
    (0x28, 0, 0, 12),  # the EtherType
    (0x15, 0, 8, 0x0800),  # is IPv4,
    (0x30, 0, 0, 23),  # the protocol
    (0x15, 0, 6, 17),  # is UDP,
    (0x28, 0, 0, 20),  # no fragment but the first,
    (0x45, 4, 0, 0x1FFF),
    (0xB1, 0, 0, 14),  # and behind the IP header
    (0x48, 0, 0, 16),  # the target port
    (0x15, 0, 1, 68),  # is the client's.
    (0x06, 0, 0, 0x40000),
    (0x06, 0, 0, 0),
)


class LeaseMachine(Protocol):
    """A DHCP client without hands; times are seconds of the loop's clock."""

    @property
    def listening(self) -> bool: ...

    def receive(self, data: bytes, now: float, /) -> None: ...

    def handle_timeout(self, now: float, /) -> None: ...

    def next_deadline(self) -> tuple[float, str] | None: ...

    def transmits(self) -> Iterable[bytes]: ...

    def events(self) -> Iterable[Any]:
        """Things with a `lease`, or with a `reason` why there is none any more."""
        ...

    def release(self, now: float, /) -> None: ...


MakeMachine = Callable[[LeaseRequest, float, Lease | None], LeaseMachine]
OnChange = Callable[[str, Lease | None], None]


class DhcpClients:
    """One client per key. To be used on a running loop; `on_change` hears of a lease that came, changed or was lost
    after the first."""

    def __init__(self, make: MakeMachine) -> None:
        self._make = make
        self._clients: dict[str, _Client] = {}
        self._on_change: OnChange = lambda key, lease: None

    def watch(self, on_change: OnChange) -> None:
        self._on_change = on_change

    async def acquire(self, key: str, request: LeaseRequest, seconds: float) -> Lease:
        """Ask for a lease, which is kept until it is released. Raises Failed when there was none in time."""
        client = _Client(self._make, request, None, lambda lease: self._on_change(key, lease))
        self._clients[key] = client
        try:
            async with asyncio.timeout(seconds):
                return await client.first()
        except TimeoutError:
            raise Failed(f"no DHCP server answered on {request.link} within {seconds:g} s") from None
        finally:
            if client.lease is None:
                self._clients.pop(key, None)
                client.close()

    def resume(self, key: str, request: LeaseRequest, lease: Lease | None) -> None:
        """Keep a lease that was granted to an earlier process; without one, ask until there is one."""
        self._clients[key] = _Client(self._make, request, lease, lambda now: self._on_change(key, now))

    async def release(self, key: str, request: LeaseRequest, lease: Lease | None) -> None:
        """Give a lease back, as far as anybody hears it, and forget its client."""
        client = self._clients.pop(key, None)
        if client is None and lease is not None:
            client = _Client(self._make, request, lease, lambda _: None)
        if client is not None:
            client.release()

    def close(self) -> None:
        """End without giving anything back: containers run on."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


class _Client:
    def __init__(
        self, make: MakeMachine, request: LeaseRequest, lease: Lease | None, on_change: Callable[[Lease | None], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._link, self._on_change = request.link, on_change
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._first: asyncio.Future[Lease] = self._loop.create_future()
        self.lease = lease
        began = self._loop.time() - (max(time.time_ns() - lease.obtained, 0) / 1e9 if lease else 0)
        self._machine = make(replace(request, mac=request.mac or _mac_of(request.link)), began, lease)
        self._turn()

    async def first(self) -> Lease:
        return await asyncio.shield(self._first)

    def release(self) -> None:
        self._machine.release(self._loop.time())
        self._turn()
        self.close()

    def close(self) -> None:
        self._close_socket()
        if self._timer is not None:
            self._timer.cancel()
        self._first.cancel()

    # --- driving the machine --------------------------------------------------------------------------

    def _turn(self) -> None:
        for frame in self._machine.transmits():
            self._send(frame)
        if not self._machine.listening:
            self._close_socket()
        for event in self._machine.events():
            self._happened(getattr(event, "lease", None))
        self._arm()

    def _happened(self, lease: Lease | None) -> None:
        if lease is not None:
            lease = replace(lease, obtained=time.time_ns())
        self.lease = lease
        if lease is not None and not self._first.done():
            self._first.set_result(lease)
        else:
            self._on_change(lease)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._machine.next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline[0], self._expired, deadline[0])

    def _expired(self, deadline: float) -> None:
        self._machine.handle_timeout(max(self._loop.time(), deadline))
        self._turn()

    def _readable(self) -> None:
        for _ in range(_BUDGET):
            if self._socket is None:
                return
            try:
                frame = self._socket.recv(_LARGEST)
            except OSError:
                break
            self._machine.receive(frame, self._loop.time())
        self._turn()

    # --- the socket -----------------------------------------------------------------------------------

    def _send(self, frame: bytes) -> None:
        """A link that is away or down is a network that loses frames."""
        try:
            self._open_socket().send(frame)
        except OSError:
            self._close_socket()

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            self._socket = _packet_socket(self._link)
            self._loop.add_reader(self._socket, self._readable)
        return self._socket

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _packet_socket(link: str) -> socket.socket:
    """All frames of a link that carry a datagram to a DHCP client. Nothing is received before the filter stands."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        program = b"".join(struct.pack("HBBI", *step) for step in _LEASE_FILTER)
        buffer = ctypes.create_string_buffer(program)
        attached = struct.pack("HL", len(_LEASE_FILTER), ctypes.addressof(buffer))
        made.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, attached)
        made.bind((link, _EVERY_PROTOCOL))
    except OSError:
        made.close()
        raise
    return made


def _mac_of(link: str) -> str:
    """Nobody's, where the link is away: then nothing is sent either."""
    try:
        return Path(f"/sys/class/net/{link}/address").read_text().strip()
    except OSError:
        return "00:00:00:00:00:00"
