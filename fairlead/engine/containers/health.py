"""Health checks: one task per container that has one, and only while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fairlead.core.containers import health
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.execs import Execs, StartFailed
from fairlead.engine.containers.ports import Process
from fairlead.model.container import PAUSED, Container, ExecSpec, HealthSpec, HealthState, ProbeResult
from fairlead.model.errors import Refusal
from fairlead.model.runtime import STDERR, STDOUT


class Health:
    def __init__(self, context: Context, execs: Execs) -> None:
        self._context, self._execs = context, execs
        self._monitors: dict[str, asyncio.Task[None]] = {}

    def started(self, container: Container) -> None:
        spec = container.health
        if spec is not None and health.enabled(spec):
            self._monitors[container.id] = asyncio.get_running_loop().create_task(self._monitor(container.id, spec))

    def ended(self, container: Container) -> None:
        monitor = self._monitors.pop(container.id, None)
        if monitor is not None:
            monitor.cancel()

    def close(self) -> None:
        for monitor in self._monitors.values():
            monitor.cancel()

    async def _monitor(self, container_id: str, spec: HealthSpec) -> None:
        while container := self._context.state.containers.get(container_id):
            await asyncio.sleep(health.pause_before_probe(spec, container.state, self._context.clock.now()))
            container = self._context.state.containers.get(container_id)
            if container is None or not container.state.pid:
                return
            if container.state.status != PAUSED:
                await self._probe(container, spec)

    async def _set(self, container_id: str, value: HealthState) -> None:
        if container_id in self._context.state.containers:
            await self._context.change_state(container_id, lambda state: replace(state, health=value))

    async def _probe(self, container: Container, spec: HealthSpec) -> None:
        result = await self._run(container, spec)
        current = self._context.state.containers.get(container.id)
        if current is None or not current.state.pid:
            return
        before = current.state.health.status if current.state.health else health.STARTING
        value = health.after(spec, current.state, result)
        await self._set(container.id, value)
        if value.status != before:
            self._context.announce(current, f"health_status: {value.status}")

    async def _run(self, container: Container, spec: HealthSpec) -> ProbeResult:
        begun = self._context.clock.now()
        command = health.command(spec, container.spec.shell)
        try:
            made = self._execs.get(self._execs.create(container.id, ExecSpec(command)))
            process = await self._execs.start(made, detach=False)
        except (Refusal, StartFailed) as failure:
            return ProbeResult(begun, self._context.clock.now(), -1, failure.message)
        said, complained = bytearray(), bytearray()
        try:
            async with asyncio.timeout(health.timeout(spec)):
                *_, code = await asyncio.gather(
                    _keep(process, STDOUT, said), _keep(process, STDERR, complained), process.wait()
                )
            output = (said + complained).decode(errors="replace")
        except TimeoutError:
            await self._execs.stop(made)
            code, output = -1, health.too_slow(spec, (said + complained).decode(errors="replace"))
        finally:
            process.close()
        return ProbeResult(begun, self._context.clock.now(), code, output[: health.MAX_OUTPUT])


async def _keep(process: Process, stream: int, kept: bytearray) -> None:
    """Read a stream to its end, and keep as much of it as is shown."""
    while chunk := await process.read(stream):
        kept += chunk[: health.MAX_OUTPUT - len(kept)]
