"""TLS for connections that may be half closed.

asyncio's own TLS ends a connection when the peer ends its side. Docker's clients do just that when their input is at
its end (`echo hello | docker run -i ...`) and go on reading, so here the record layer is driven by hand:
`TlsProtocol` feeds what arrives to OpenSSL, and the protocol above it sees a transport whose two directions end
apart.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from fairlead.model.config import TlsFiles
from fairlead.model.errors import Failed

PIECE = 1 << 16
HANDSHAKE_SECONDS = 30.0


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """What the daemon shows, and with `verify` demands, over TCP. Raises `Failed` for files that are not usable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.cert, files.key)
        if files.verify:
            context.load_verify_locations(files.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise Failed(f"cannot use the TLS files {files.cert}, {files.key}, {files.ca}: {error}") from error
    return context


class TlsTransport(asyncio.Transport):
    """What the protocol above writes to. Buffers and flow control are those of the TCP transport below."""

    def __init__(self, below: asyncio.Transport, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
        super().__init__()
        self._below, self._tls, self._outgoing = below, tls, outgoing
        self._ended = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._below.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._ended or self._below.is_closing() or not data:
            return
        self._tls.write(data)
        self.flush()

    def flush(self) -> None:
        """Send the records that OpenSSL has made."""
        if not self._below.is_closing() and (records := self._outgoing.read()):
            self._below.write(records)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Tell the peer that no more will come (close_notify); it may go on sending."""
        if self._ended:
            return
        self._ended = True
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self.flush()

    def close(self) -> None:
        self.write_eof()
        self._below.close()

    def abort(self) -> None:
        self._below.abort()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def is_reading(self) -> bool:
        return self._below.is_reading()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()


class TlsProtocol(asyncio.Protocol):
    """Between a TCP transport and the protocol `above`, which is connected once the handshake is done."""

    def __init__(self, context: ssl.SSLContext, above: asyncio.Protocol) -> None:
        self._above = above
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._connected = self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast(asyncio.Transport, transport)
        self._transport = TlsTransport(self._below, self._tls, self._outgoing)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(HANDSHAKE_SECONDS, self._below.abort)

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if self._connected or self._shake_hands():
                self._pass_on()
        except ssl.SSLError:
            # Not TLS, or not a client that we trust; OpenSSL has made the alert that says so.
            self._transport.flush()
            self._below.close()

    def eof_received(self) -> bool:
        return self._connected and self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        if self._connected:
            self._above.connection_lost(exc)

    def pause_writing(self) -> None:
        self._above.pause_writing()

    def resume_writing(self) -> None:
        self._above.resume_writing()

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._transport.flush()
            return False
        self._transport.flush()
        self._patience.cancel()
        self._connected = True
        self._above.connection_made(self._transport)
        return True

    def _pass_on(self) -> None:
        """Give what can be read to the protocol above, and the end of it."""
        try:
            while data := self._tls.read(PIECE):
                self._above.data_received(data)
        except ssl.SSLWantReadError:
            self._transport.flush()
            return
        except ssl.SSLZeroReturnError:
            pass
        if not self._end():
            self._transport.close()

    def _end(self) -> bool:
        """The peer has ended its side; True when the other way stays open."""
        if self._ended:
            return True
        self._ended = True
        return bool(self._above.eof_received())
