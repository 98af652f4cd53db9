"""The kernel as the engine sees it: plans done, facts observed, drift reported."""

from __future__ import annotations

from fairlead.effects.kernel.apply import Executor
from fairlead.effects.kernel.operations import perform
from fairlead.effects.kernel.reaper import Reaper
from fairlead.effects.kernel.worker import Worker
from fairlead.model.plan import Plan


class LinuxKernel:
    """Fulfils `Kernel` in the namespace it is started in. `owner` begins the alias of each of our links."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._worker = Worker("kernel")
        self._reaper = Reaper()
        self._executor = Executor(perform, self._reaper)

    async def start(self) -> None:
        self._worker.start()
        self._reaper.start()

    async def close(self) -> None:
        await self._worker.close()
        self._reaper.close()
        self._executor.close()

    async def apply(self, plan: Plan) -> None:
        await self._worker.run(self._executor.apply, plan)

    async def attempt(self, plan: Plan) -> list[Exception]:
        return await self._worker.run(self._executor.attempt, plan)
