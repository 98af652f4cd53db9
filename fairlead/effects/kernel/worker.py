"""One thread that does blocking work in order, awaited from asyncio.

rtnetlink does its work inside the send, under one lock for the whole machine: a non-blocking socket would stall the
event loop all the same, and a second thread would only wait for the first. The way there and back takes about 25 us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")
_Job = Callable[[], None]


class Worker:
    """`idle`, if given, is called when nothing was asked for in `pause` seconds, and again while it returns True."""

    def __init__(self, name: str, idle: Callable[[], bool] | None = None, pause: float = 0.02) -> None:
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle, self._pause = idle, pause
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call it in the thread, after all that was asked before. Once begun it is completed even when the waiter is
        cancelled."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def job() -> None:
            try:
                result = function(*args)
            except BaseException as failure:
                loop.call_soon_threadsafe(_fail, future, failure)
            else:
                loop.call_soon_threadsafe(_succeed, future, result)

        self._queue.put(job)
        return await future

    def wake(self) -> None:
        """Let the idle work begin soon."""
        self._queue.put(_nothing)

    async def close(self) -> None:
        """Finish what was asked for and end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        more = self._idle is not None
        while True:
            try:
                job = self._queue.get(timeout=self._pause if more else None)
            except Empty:
                more = self._idle is not None and self._idle()
                continue
            if job is None:
                return
            job()
            more = self._idle is not None


def _nothing() -> None:
    pass


def _succeed(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Result], failure: BaseException) -> None:
    if not future.done():
        future.set_exception(failure)
