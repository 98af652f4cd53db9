"""The event bus behind `docker events`: publish once, many listeners, a short memory for `--since`.

Listeners never slow the engine down: each has its own queue, and one that falls `BACKLOG` events behind is
ended rather than fed from memory without bound.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fairlead.engine.ports import Clock
from fairlead.model.event import Event

MEMORY = 256
BACKLOG = 16384

Wanted = Callable[[Event], bool]


class EventBus:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._past: deque[Event] = deque(maxlen=MEMORY)
        self._listeners: set[_Listener] = set()

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def publish(self, event: Event) -> None:
        """Remember the event and hand it to every listener that wants it. Never waits."""
        self._past.append(event)
        for listener in tuple(self._listeners):
            listener.offer(event)

    async def subscribe(
        self, since: int | None = None, until: int | None = None, wanted: Wanted = lambda event: True
    ) -> AsyncGenerator[Event, None]:
        """Events from `since` (ns since the epoch) to `until` (None: for ever). Without `since` from now on, but all
        that are remembered when there is an `until`."""
        listener = _Listener(wanted)
        self._listeners.add(listener)
        remembered = self._past if (since, until) != (None, None) else ()
        past = [event for event in remembered if event.time >= (since or 0) and wanted(event)]
        try:
            for event in past:
                if until is None or event.time <= until:
                    yield event
            async for event in listener.events(self._seconds_left(until)):
                if until is None or event.time <= until:
                    yield event
        finally:
            self._listeners.discard(listener)

    def _seconds_left(self, until: int | None) -> float | None:
        return None if until is None else max(0.0, (until - self._clock.now()) / 1e9)


class _Listener:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()

    def offer(self, event: Event) -> None:
        if self._queue.qsize() >= BACKLOG:
            self._queue.put_nowait(None)
        elif self._wanted(event):
            self._queue.put_nowait(event)

    async def events(self, seconds: float | None) -> AsyncIterator[Event]:
        """What was offered, until `seconds` from now or until the listener fell too far behind."""
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    event = await self._queue.get()
            except TimeoutError:
                return
            if event is None:
                return
            yield event
