"""Questions and answers over TCP, beside a datagram machine.

The server says a hello, the client asks one question, the server answers, the stream closes. Each piece but the hello
is a frame of four bytes of length and the bytes. How a call fails is told to the machine in the words `refused` (the
kernel says nobody listens), `stalled` (connected, then nothing useful) and `silent` (nothing came back at all).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from fairlead.effects.wire.datagram import Address, DatagramMachine, DatagramShell

HELLO_BYTES = 12
MAX_CLIENTS = 128
SERVER_PATIENCE = 10.0


class Order(Protocol):
    """A call that the machine wants made."""

    @property
    def id(self) -> int: ...

    @property
    def to(self) -> Address: ...

    @property
    def patience(self) -> float: ...


class ConversationMachine(DatagramMachine, Protocol):
    def calls(self) -> Iterable[Order]:
        """Takes the calls to make."""

    def ask(self, call: int, hello: bytes, /) -> bytes | None:
        """The question for a server that said this hello. None: hang up."""

    def answered(self, call: int, data: bytes, now: float, /) -> None: ...

    def call_failed(self, call: int, how: str, now: float, /) -> None: ...

    def hello(self) -> bytes: ...

    def answer(self, hello: bytes, question: bytes, source: Address, now: float, /) -> bytes | None:
        """None: hang up."""


def tcp_socket(family: int) -> socket.socket:
    """A stream socket in the process's own namespace."""
    return socket.socket(family, socket.SOCK_STREAM)


class StreamShell:
    """Serves `listener` (bound and listening) and makes the machine's calls; shares the turns of its `DatagramShell`.

    `make_socket(family)` opens sockets for calls, in whatever namespace they belong. A frame has at most `max_frame`
    bytes.
    """

    def __init__(
        self,
        machine: ConversationMachine,
        shell: DatagramShell,
        listener: socket.socket,
        max_frame: int,
        make_socket: Callable[[int], socket.socket] = tcp_socket,
    ) -> None:
        self._machine = machine
        self._shell = shell
        self._listener = listener
        self._max_frame = max_frame
        self._make_socket = make_socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients = 0
        self._server: asyncio.Server | None = None
        shell.after_turn(self._make_calls)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=self._max_frame + 4)
        self._make_calls()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Answering.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep(asyncio.current_task())
        self._clients += 1
        try:
            if self._clients <= MAX_CLIENTS:
                async with asyncio.timeout(SERVER_PATIENCE):
                    await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, FrameError):
            pass  # the client's loss
        finally:
            self._clients -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source: Any = writer.get_extra_info("peername")
        hello = self._machine.hello()
        writer.write(hello)
        question = await self._read_frame(reader)
        answer = self._machine.answer(hello, question, (source[0], source[1]), self._shell.now())
        self._shell.turn()
        if answer is not None:
            self._write_frame(writer, answer)
            await writer.drain()

    # Asking.

    def _make_calls(self) -> None:
        for order in self._machine.calls():
            self._keep(asyncio.get_running_loop().create_task(self._call(order)))

    async def _call(self, order: Order) -> None:
        attempt = _Attempt()
        try:
            async with asyncio.timeout(order.patience):
                data = await self._exchange(order, attempt)
        except ConnectionRefusedError:
            self._machine.call_failed(order.id, "refused", self._shell.now())
        except (OSError, asyncio.IncompleteReadError, TimeoutError, FrameError):
            self._machine.call_failed(order.id, "stalled" if attempt.connected else "silent", self._shell.now())
        else:
            self._machine.answered(order.id, data, self._shell.now())
        finally:
            attempt.close()
        self._shell.turn()

    async def _exchange(self, order: Order, attempt: _Attempt) -> bytes:
        family = socket.AF_INET6 if ":" in order.to[0] else socket.AF_INET
        attempt.socket = self._make_socket(family)
        attempt.socket.setblocking(False)
        await asyncio.get_running_loop().sock_connect(attempt.socket, order.to)
        attempt.connected = True
        reader, attempt.writer = await asyncio.open_connection(sock=attempt.socket, limit=self._max_frame + 4)
        question = self._machine.ask(order.id, await reader.readexactly(HELLO_BYTES))
        if question is None:
            raise FrameError("the hello was not acceptable")
        self._write_frame(attempt.writer, question)
        return await self._read_frame(reader)

    async def _read_frame(self, reader: asyncio.StreamReader) -> bytes:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > self._max_frame:
            raise FrameError(f"a frame of {length} bytes; at most {self._max_frame} are taken")
        self._shell.bytes_received += 4 + length
        return await reader.readexactly(length)

    def _write_frame(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._shell.bytes_sent += 4 + len(data)
        writer.write(len(data).to_bytes(4, "big"))
        writer.write(data)

    def _keep(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


class FrameError(Exception):
    """The other side does not speak this protocol."""


class _Attempt:
    """How far a call has come, and what has to be closed."""

    def __init__(self) -> None:
        self.connected = False
        self.socket: socket.socket | None = None
        self.writer: asyncio.StreamWriter | None = None

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        elif self.socket is not None:
            self.socket.close()
