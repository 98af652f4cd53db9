"""Connections that wait for their next call, by address."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from fairlead.effects.wire.nodes.asking import AskingConnection

IDLE_SECONDS = 60.0
MOST_IDLE = 8
"""Per address."""


class Pool:
    def __init__(self) -> None:
        self._idle: defaultdict[str, list[AskingConnection]] = defaultdict(list)
        self._busy: set[AskingConnection] = set()

    def take(self, address: str) -> AskingConnection | None:
        """The one that was used last; it comes back by `give`."""
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()
            if connection.usable:
                return self.add(connection)
            connection.abort()
        return None

    def add(self, connection: AskingConnection) -> AskingConnection:
        """A new one, in use."""
        self._busy.add(connection)
        return connection

    def give(self, connection: AskingConnection) -> None:
        """Back, after a call. One that belongs to the time before `renew`, or broke, is let go."""
        idle = self._idle[connection.address]
        known = connection in self._busy
        self._busy.discard(connection)
        if not connection.usable:
            connection.abort()
        elif not known or len(idle) >= MOST_IDLE:
            connection.close()
        else:
            idle.append(connection)
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire, connection, connection.calls)

    def renew(self) -> None:
        """Let all idle connections go; those in use end with their call."""
        for connection in self._all_idle():
            connection.close()
        self._idle.clear()
        self._busy.clear()

    def close(self) -> None:
        """At once, those in use too."""
        for connection in [*self._all_idle(), *self._busy]:
            connection.abort()
        self._idle.clear()
        self._busy.clear()

    def _all_idle(self) -> list[AskingConnection]:
        return [connection for idle in self._idle.values() for connection in idle]

    def _retire(self, connection: AskingConnection, calls: int) -> None:
        """Unless it was used meanwhile."""
        idle = self._idle.get(connection.address, [])
        if connection in idle and connection.calls == calls:
            idle.remove(connection)
            connection.close()
