"""TLS of which one direction may end before the other, and that two threads may use, one for each direction.

Python's own TLS sockets can do neither: after `shutdown` they hand out ciphertext, and OpenSSL's objects are not for
two threads at once.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress

PIECE = 1 << 16


class TlsSocket:
    """Over a connected TCP socket; the handshake is done when it is made. Errors are `OSError`."""

    def __init__(self, below: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._state, self._sending = threading.Lock(), threading.Lock()
        while not self._shook_hands():
            self._receive()

    def recv(self, size: int) -> bytes:
        """b"" when the peer has ended its side."""
        while True:
            with self._state:
                try:
                    return self._tls.read(size)
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
                except ssl.SSLWantReadError:
                    pass
            self._flush()
            self._receive()

    def sendall(self, data: bytes) -> None:
        if not data:
            return
        with self._state:
            self._tls.write(data)
        self._flush()

    def shutdown(self, how: int) -> None:
        """`SHUT_WR` tells the peer that no more will come; what it sends can still be read."""
        if how != socket.SHUT_WR:
            self._below.shutdown(how)
            return
        with self._state, suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        self._below.close()

    def _shook_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def _receive(self) -> None:
        data = self._below.recv(PIECE)
        with self._state:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _flush(self) -> None:
        """Send the records that wait, in the order in which they were made."""
        if not self._outgoing.pending:
            return
        with self._sending:
            with self._state:
                records = self._outgoing.read()
            self._below.sendall(records)
