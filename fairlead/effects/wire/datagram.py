"""One shell for every state machine that speaks datagrams.

The machine decides, the shell moves bytes: it feeds received datagrams and expired deadlines in, and takes what is to
be sent and what happened out. The socket is handed in ready-made, so it may live in any namespace; several shells share
one loop.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

Address = tuple[str, int]

BUDGET = 64
"""Datagrams taken in one go before the loop turns to others."""

_LARGEST = 65_535


class DatagramMachine(Protocol):
    """Times are seconds of the clock that the shell is given."""

    def receive(self, data: bytes, source: Address, now: float, /) -> None: ...

    def handle_timeout(self, now: float, /) -> None: ...

    def next_deadline(self) -> tuple[float, str] | None:
        """When `handle_timeout` wants to be called, and why."""

    def transmits(self) -> Iterable[tuple[Address, bytes]]:
        """Takes the datagrams to send."""

    def events(self) -> Iterable[Any]:
        """Takes what happened."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a machine cost per second, over `seconds`: bytes are payload, without the headers of UDP and TCP."""

    seconds: float
    cpu_share: float
    bytes_sent_s: float
    bytes_received_s: float
    datagrams_sent_s: float


class DatagramShell:
    """Drives a machine over a bound, non-blocking datagram socket. To be made on a running loop.

    `cpu_s` is the processor time spent in the machine and in its system calls, `unsent` counts datagrams for which the
    kernel had no room or no route: to the protocol they are lost ones. The socket stays the caller's to close.
    """

    def __init__(self, machine: DatagramMachine, sock: socket.socket, on_event: Callable[[Any], None]) -> None:
        self.machine = machine
        self.cpu_s = 0.0
        self.unsent = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.datagrams_sent = 0
        self._socket = sock
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._after_turn: list[Callable[[], None]] = []
        self._measured = (self.now(), 0.0, 0, 0, 0)
        sock.setblocking(False)
        self._loop.add_reader(sock, self._readable)
        self.turn()

    def now(self) -> float:
        """The machine's clock."""
        return self._loop.time()

    def after_turn(self, action: Callable[[], None]) -> None:
        """Calls this after every turn of the machine."""
        self._after_turn.append(action)

    def turn(self) -> None:
        """Carries out what the machine wants done; to be called after talking to it directly."""
        started = time.thread_time()
        for to, data in self.machine.transmits():
            try:
                self.bytes_sent += self._socket.sendto(data, to)
                self.datagrams_sent += 1
            except OSError:
                self.unsent += 1
        for action in self._after_turn:
            action()
        for event in self.machine.events():
            self._on_event(event)
        self._arm()
        self.cpu_s += time.thread_time() - started

    def load(self) -> Load:
        """What the machine cost since this was last asked."""
        current = (self.now(), self.cpu_s, self.bytes_sent, self.bytes_received, self.datagrams_sent)
        seconds, *spent = (now - before for now, before in zip(current, self._measured, strict=True))
        self._measured = current
        return Load(seconds, *(amount / seconds if seconds else 0.0 for amount in spent))

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _readable(self) -> None:
        started = time.thread_time()
        for _ in range(BUDGET):
            try:
                data, source = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error for an earlier datagram
            self.bytes_received += len(data)
            self.machine.receive(data, (source[0], source[1]), self.now())
        self.cpu_s += time.thread_time() - started
        self.turn()

    def _arm(self) -> None:
        deadline = self.machine.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._timer.when() == deadline[0]:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline[0], self._expired, deadline[0])

    def _expired(self, deadline: float) -> None:
        self._timer = None
        started = time.thread_time()
        # The loop may ring up to its clock's resolution early.
        self.machine.handle_timeout(max(self.now(), deadline))
        self.cpu_s += time.thread_time() - started
        self.turn()
