"""`docker wait`: who waits for which end of which container."""

from __future__ import annotations

import asyncio

NOT_RUNNING, NEXT_EXIT, REMOVED = "not-running", "next-exit", "removed"
CONDITIONS = (NOT_RUNNING, NEXT_EXIT, REMOVED)
AT_REST = "at-rest"
"""Ours alone: it does not run and is not going to by its restart policy."""


class Waiting:
    """Waiters by container. A removal is the last end there is, so it satisfies every condition."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[tuple[str, asyncio.Future[int]]]] = {}

    def join(self, container_id: str, condition: str) -> asyncio.Future[int]:
        """A future of the exit code. Cancel it to leave."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(container_id, [])
        waiters.append((condition, future))
        future.add_done_callback(lambda done: self._leave(container_id, done))
        return future

    def _leave(self, container_id: str, future: asyncio.Future[int]) -> None:
        left = [entry for entry in self._waiters.get(container_id, ()) if entry[1] is not future]
        if left:
            self._waiters[container_id] = left
        else:
            self._waiters.pop(container_id, None)

    def restarting(self, container_id: str, exit_code: int) -> None:
        """One run is over and another will follow: clients that wait for an end have seen one."""
        self._settle(container_id, exit_code, (NOT_RUNNING, NEXT_EXIT))

    def stopped(self, container_id: str, exit_code: int) -> None:
        self._settle(container_id, exit_code, (NOT_RUNNING, NEXT_EXIT, AT_REST))

    def removed(self, container_id: str, exit_code: int) -> None:
        self._settle(container_id, exit_code, (*CONDITIONS, AT_REST))

    def _settle(self, container_id: str, exit_code: int, conditions: tuple[str, ...]) -> None:
        for condition, future in self._waiters.get(container_id, ())[:]:
            if condition in conditions and not future.done():
                future.set_result(exit_code)
