"""Which members answer: asked at the door where members meet, over mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from fairlead.effects.etcd.credentials import Credentials
from fairlead.effects.etcd.exchange import Exchange, Interrupted, Server, Unreachable, request

PATIENCE = 1.0


class Peers:
    """Connections to the other members, kept."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._servers: dict[str, Server] = {}

    async def answering(self, urls: Collection[str]) -> set[str]:
        """Those of `urls` that answer within a second."""
        answers = await asyncio.gather(*map(self._answers, urls))
        return {url for url, answer in zip(urls, answers, strict=True) if answer}

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    async def _answers(self, url: str) -> bool:
        if (server := self._servers.get(url)) is None:
            server = self._servers[url] = Server(lambda: self._connect(url))
        try:
            status, _ = await server.ask(request("/version", b""), PATIENCE)
        except (Unreachable, Interrupted):
            return False
        return status == 200

    async def _connect(self, url: str) -> Exchange:
        where = urlsplit(url)
        loop = asyncio.get_running_loop()
        _, exchange = await loop.create_connection(
            Exchange,
            where.hostname or "",
            where.port or 0,
            ssl=self._credentials.context(),
        )
        return exchange
