"""The server: listens, gives every client a `Connection`, and closes in good order."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from fairlead.api.connection import Connection
from fairlead.api.http import Route
from fairlead.api.listen import listening_sockets
from fairlead.api.router import Later, Router
from fairlead.api.target import Opener
from fairlead.api.tls import TlsProtocol, tls_context
from fairlead.model.config import TlsFiles

SWEEP_SECONDS = 10.0

log = logging.getLogger("fairlead.api")


class Server:
    """Serves `routes` until `close`; and those made when a path that begins with a word of `later` is asked for."""

    def __init__(self, routes: Iterable[Route], later: Mapping[str, Later] = MappingProxyType({})) -> None:
        self._opener = Opener(Router(routes, later))
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._paths: list[tuple[Path, int]] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def listen(self, hosts: Sequence[str], tls: TlsFiles | None = None) -> None:
        """Listen on every host or on none. Raises `Invalid` for a bad one and `Failed` when it cannot be had."""
        context = tls_context(tls) if tls else None
        listeners: list[socket.socket] = []
        try:
            for host in hosts:
                listeners += listening_sockets(host)
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        loop = asyncio.get_running_loop()
        for listener in listeners:
            is_unix = listener.family == socket.AF_UNIX
            if is_unix:
                path = Path(listener.getsockname())
                self._paths.append((path, path.stat().st_ino))
            protocol = self._connect if is_unix or context is None else partial(self._connect_tls, context)
            self._servers.append(await loop.create_server(protocol, sock=listener))
            log.info("listening on %s", listener.getsockname())
        self._sweeper = self._sweeper or loop.create_task(self._sweep())

    async def close(self, patience: float = 5.0) -> None:
        """Accept nobody any more, let current answers finish for `patience` seconds, then hang up."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._remove_paths()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._connections):
            connection.retire()
        if tasks := [connection.task for connection in self._connections if connection.task is not None]:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()
        for connection in list(self._connections):
            connection.hang_up()

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where it listens, as `getsockname` says it."""
        return [listener.getsockname() for server in self._servers for listener in server.sockets]

    def _connect(self) -> Connection:
        return Connection(self._opener, self._connections)

    def _connect_tls(self, context: ssl.SSLContext) -> TlsProtocol:
        return TlsProtocol(context, self._connect())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for connection in list(self._connections):
                connection.check_pace(now)

    def _remove_paths(self) -> None:
        """Remove our sockets, unless another daemon has put its own in the place."""
        for path, inode in self._paths:
            with suppress(FileNotFoundError):
                if path.stat().st_ino == inode:
                    path.unlink()
        self._paths.clear()
