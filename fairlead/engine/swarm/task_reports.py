"""What the managers have still to be told about tasks: the last state of each, in the order in which they changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fairlead.engine.swarm.messages import TaskReport
from fairlead.model.swarm.task import TaskStatus

AT_ONCE = 100


class TaskReports:
    """States that were passed through while a report was on its way are never told: only the last one matters."""

    def __init__(self) -> None:
        self._waiting: dict[str, TaskStatus] = {}
        self._some = asyncio.Event()

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def put(self, task_id: str, status: TaskStatus) -> None:
        self._waiting.pop(task_id, None)
        self._waiting[task_id] = status
        self._some.set()

    def forget(self, task_id: str) -> None:
        self._waiting.pop(task_id, None)

    def tell_again(self, statuses: Mapping[str, TaskStatus]) -> None:
        """A new session: whoever leads now may not know anything. What changed last is still told last."""
        self._waiting = {**{key: value for key, value in statuses.items() if key not in self._waiting}, **self._waiting}
        if self._waiting:
            self._some.set()

    async def next(self) -> Sequence[TaskReport]:
        """What to tell now; waits until there is something."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return [TaskReport(task_id, status) for task_id, status in list(self._waiting.items())[:AT_ONCE]]

    def told(self, reports: Sequence[TaskReport]) -> None:
        """A manager has them."""
        for report in reports:
            if self._waiting.get(report.task_id) == report.status:
                del self._waiting[report.task_id]
