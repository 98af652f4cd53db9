"""Servers in many namespaces, run by one thread: each says who it is and whom it sees, and then echoes."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fairlead.effects.kernel import netns


@dataclass(frozen=True)
class Answer:
    """Who answered, and the client's address as it was seen there."""

    name: str
    client: str


@dataclass
class Answerers:
    """Servers on a port, TCP and UDP, IPv4 and IPv6; `close(name)` ends one with all its connections."""

    _watched: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def serve(self, name: str, ns: str, port: int) -> None:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with netns.entered(ns):
                made = socket.socket(socket.AF_INET6, kind)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                made.listen(1024)
            made.setblocking(False)
            self._watched.register(made, selectors.EVENT_READ, (name, "listening"))

    def run(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._watched.select(0.05):
                name, what = key.data
                assert isinstance(key.fileobj, socket.socket)
                self._serve(key.fileobj, name, what)

    def _serve(self, ready: socket.socket, name: str, what: str) -> None:
        try:
            if what == "connected":
                said = ready.recv(4096)
                if said:
                    ready.sendall(said)
                    return
                self._drop(ready)
            elif ready.type == socket.SOCK_DGRAM:
                _, client = ready.recvfrom(4096)
                ready.sendto(_words(name, client[0]), client)
            else:
                connection, client = ready.accept()
                connection.sendall(_words(name, client[0]))
                self._watched.register(connection, selectors.EVENT_READ, (name, "connected"))
        except (BlockingIOError, ConnectionError):
            return

    def _drop(self, served: socket.socket) -> None:
        self._watched.unregister(served)
        served.close()

    def stop(self, thread: threading.Thread) -> None:
        self._stopping.set()
        thread.join()
        for key in list(self._watched.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._watched.close()


def _words(name: str, client: str) -> bytes:
    return f"{name} {client.removeprefix('::ffff:')}\n".encode()


@contextmanager
def answerers() -> Iterator[Answerers]:
    """Register all servers with `serve` before the first question."""
    served = Answerers()
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.stop(thread)


def connect(ns: str, address: str, port: int, within: float = 5.0) -> socket.socket:
    with netns.entered(ns):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(within)
    try:
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


def ask(ns: str, address: str, port: int, within: float = 5.0) -> Answer:
    """Who answers a new TCP connection."""
    with connect(ns, address, port, within) as asking:
        return read_answer(asking)


def ask_by_datagram(ns: str, address: str, port: int, within: float = 5.0) -> Answer:
    with netns.entered(ns):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with made:
        made.settimeout(within)
        made.connect((address, port))
        made.send(b"who?")
        return _answer(made.recv(256))


def read_answer(asking: socket.socket) -> Answer:
    said = b""
    while not said.endswith(b"\n"):
        chunk = asking.recv(256)
        if not chunk:
            raise ConnectionError("closed without an answer")
        said += chunk
    return _answer(said)


def _answer(said: bytes) -> Answer:
    name, client = said.decode().split()
    return Answer(name, client)
