"""A user's input and output joined to a container: what run, attach, start and exec have in common."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fairlead.cli.client import Client
from fairlead.cli.detach import DetachFilter
from fairlead.cli.endpoint import Connection
from fairlead.cli.faults import Fault
from fairlead.cli.streams import MULTIPLEXED, show
from fairlead.cli.terminal import on_resize, raw


@dataclass(frozen=True, slots=True)
class Joining:
    """`resize` is the path to tell the terminal's size to; "" without a TTY. `keys` is the sequence that detaches."""

    stdin: bool
    tty: bool
    keys: bytes
    resize: str = ""


class Session:
    """One taken-over connection; `run` returns when the container's side ended or the user detached."""

    def __init__(self, client: Client, taken: tuple[Connection, bytes, str], joining: Joining) -> None:
        self._client, self._joining = client, joining
        self._connection, self._first, content_type = taken
        self._multiplexed = content_type == MULTIPLEXED and not joining.tty
        self._filter = DetachFilter(joining.keys)

    @property
    def detached(self) -> bool:
        return self._filter.detached

    def run(self) -> None:
        with self._terminal():
            if self._joining.stdin:
                threading.Thread(target=self._send_input, daemon=True).start()
            show(self._received(), self._multiplexed)

    @contextlib.contextmanager
    def _terminal(self) -> Iterator[None]:
        if not self._joining.tty:
            yield
            return
        with raw(sys.stdin.fileno()) if self._joining.stdin else contextlib.nullcontext(), on_resize(self._resize):
            yield

    def _resize(self, rows: int, columns: int) -> None:
        if not rows or not self._joining.resize:
            return
        with contextlib.suppress(Fault):
            self._client.post(self._joining.resize, {"h": rows, "w": columns})

    def _received(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        with contextlib.suppress(ConnectionError):
            while data := self._connection.recv(1 << 16):
                yield data

    def _send_input(self) -> None:
        """Until the end of input, or the keys that detach; then say that no more will come."""
        read: Callable[[], bytes] = lambda: os.read(sys.stdin.fileno(), 1 << 16)  # noqa: E731
        with contextlib.suppress(OSError):
            while data := read():
                if self._joining.tty:
                    data = self._filter.feed(data)
                self._connection.sendall(data)
                if self.detached:
                    self._connection.shutdown(socket.SHUT_RDWR)
                    return
            self._connection.shutdown(socket.SHUT_WR)
