"""One session of a node with the leading manager: news come in, signs of life and reports of tasks go out.

A session belongs to one connection. When anything of it fails it is over as a whole, and the agent opens another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from fairlead.engine import records
from fairlead.engine.swarm.messages import Beat, News, Publish, Report, SessionRequest
from fairlead.engine.swarm.ports import Caller
from fairlead.engine.swarm.signs import Signs
from fairlead.engine.swarm.task_reports import TaskReports
from fairlead.model.errors import Unavailable

PATIENCE = 3.0
"""Seconds that a manager has for an answer."""
BEAT_EVERY = 2.5
"""Seconds until the manager has said how often it wants to hear a sign of life."""
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """The manager at `address` and the session's own token."""

    caller: Caller
    address: str
    token: str

    async def say(self, name: str, body: object, patience: float = PATIENCE) -> None:
        await self.caller.call(self.address, name, records.encode(body), patience=patience)

    async def publish(self, lines: Publish) -> None:
        await self.say("publish", lines)


class Session:
    """`hear` takes in one piece of news; the first one says that the manager leads."""

    def __init__(
        self, line: Line, reports: TaskReports, hear: Callable[[News, Line], Awaitable[None]], signs: Signs
    ) -> None:
        self._line, self._reports, self._hear, self._signs = line, reports, hear, signs

    async def hold(self, request: SessionRequest) -> None:
        """Returns never: raises the Refusal that ended the session."""
        body = records.encode(request)
        async with aclosing(self._line.caller.stream(self._line.address, "session", body)) as stream:
            sent = self._signs.now()
            first = await self._first(stream)
            self._signs.noted(sent)
            await self._take(first)
            parts = [asyncio.create_task(part) for part in (self._read(stream), self._beat(), self._report())]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)

    async def _first(self, stream: AsyncGenerator[bytes, None]) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                return await anext(stream)
        except TimeoutError:
            raise Unavailable(f"{self._line.address} does not answer") from None
        except StopAsyncIteration:
            raise _over(self._line.address) from None

    async def _read(self, stream: AsyncGenerator[bytes, None]) -> None:
        async for line in stream:
            await self._take(line)
        raise _over(self._line.address)

    async def _take(self, line: bytes) -> None:
        news = records.decode(News, line)
        if news.beat_every:
            self._signs.every = news.beat_every / NANO
        await self._hear(news, self._line)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._signs.every)
            sent = self._signs.now()
            await self._line.say("beat", Beat(self._line.token))
            self._signs.noted(sent)

    async def _report(self) -> None:
        while True:
            reports = await self._reports.next()
            await self._line.say("report", Report(self._line.token, tuple(reports)))
            self._reports.told(reports)


def _over(address: str) -> Unavailable:
    return Unavailable(f"{address} ended the session")
