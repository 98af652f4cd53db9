"""An upstream server that does what a test tells it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import dns.message
import dns.rrset

from tests.effects.wire.dns_world import OUTSIDE
from tests.effects.wire.spaces import Space, inside


class Puppet:
    """A UDP server of the test: `play(query, send)` does what it likes."""

    def __init__(self, space: Space, play: Callable[[bytes, Callable[[bytes], object]], None]) -> None:
        self.heard: list[bytes] = []
        self._play = play
        self._sock = inside(space.path, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._sock.bind((OUTSIDE, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, client = self._sock.recvfrom(4096)
            if data == b"stop":
                return
            self.heard.append(data)
            self._play(data, lambda reply, client=client: self._sock.sendto(reply, client))

    def stop(self) -> None:
        self._sock.sendto(b"stop", self._sock.getsockname())
        self._thread.join(timeout=30)
        self._sock.close()


def response(query: bytes, address: str = "192.0.2.7", count: int = 1, flags: int = 0) -> bytes:
    request = dns.message.from_wire(query)
    answer = dns.message.make_response(request)
    answer.flags |= flags
    texts = [address] if count == 1 else [f"192.0.2.{n}" for n in range(count)]
    answer.answer.append(dns.rrset.from_text_list(request.question[0].name, 9, "IN", "A", texts))
    return answer.to_wire(max_size=65535)
