"""`docker exec`: further processes in running containers. Known in memory only: a new daemon has forgotten them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field, replace

from fairlead.core.containers.failure import exec_failure
from fairlead.core.containers.merge import process_environment
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.ports import Process
from fairlead.model.container import PAUSED, RESTARTING, Container, ExecSpec
from fairlead.model.errors import Conflict, Invalid, NotFound, Refusal, RuntimeRefused
from fairlead.model.runtime import ExecLaunch

KEPT_AFTER_END = 300.0
"""Seconds for which an ended exec can still be inspected."""
CANNOT_RUN = 126
"""What a shell says of a command that is there and cannot be run."""
START_PATIENCE = 5.0
"""Seconds that a resize waits for the process to be there."""


@dataclass(slots=True)
class Exec:
    """One exec. `exit_code` is None until it has ended."""

    id: str
    container_id: str
    spec: ExecSpec
    process: Process | None = None
    started: bool = False
    running: bool = False
    exit_code: int | None = None
    pid: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it runs or cannot."""


class StartFailed(Exception):  # noqa: N818 - an outcome for the user to read, like a Refusal
    """The process could not be started: `message` is what the user reads on the stream."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Execs:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._execs: dict[str, Exec] = {}
        self._unheard: set[asyncio.Task[None]] = set()

    def create(self, reference: str, spec: ExecSpec) -> str:
        """Describe an exec; it runs when it is started. Raises Conflict when the container does not run."""
        container = self._context.state.container(reference)
        _check_running(container)
        if not spec.cmd:
            raise Invalid("No exec command specified")
        made = Exec(self._context.entropy.local_id(), container.id, spec)
        self._execs[made.id] = made
        self._announce(made, container, f"exec_create: {_words(spec)}")
        return made.id

    def get(self, exec_id: str) -> Exec:
        """By full id or unique prefix. Raises NotFound."""
        found = self._execs.get(exec_id)
        if found is None:
            matches = [known for key, known in self._execs.items() if exec_id and key.startswith(exec_id)]
            if len(matches) != 1:
                raise NotFound(f"No such exec instance: {exec_id}")
            found = matches[0]
        return found

    def of(self, container_id: str) -> list[str]:
        """The ids of the execs that a container has now: those that have not ended."""
        mine = (made for made in self._execs.values() if made.container_id == container_id)
        return [made.id for made in mine if made.exit_code is None]

    def check_start(self, exec_id: str) -> Exec:
        """Everything that can be refused before a stream is opened."""
        made = self.get(exec_id)
        container = self._context.state.container(made.container_id)
        if made.exit_code is not None or made.started:
            raise Conflict(f"Error: Exec command {made.id} has already run")
        _check_running(container)
        return made

    async def start(self, made: Exec, detach: bool, size: tuple[int, int] = (0, 0)) -> Process:
        """Run it. Detached, nobody has its stdio. Raises StartFailed with the words for the user.

        What was begun is finished also when the caller is cancelled: then the process runs, and nobody hears it.
        """
        container = self._context.state.container(made.container_id)
        spec = made.spec
        if detach:
            spec = replace(spec, attach_stdin=False, attach_stdout=False, attach_stderr=False, tty=spec.tty)
        if any(size):
            spec = replace(spec, console_size=size)
        made.started = True
        self._announce(made, container, f"exec_start: {_words(spec)}")
        beginning = asyncio.get_running_loop().create_task(self._begin(made, container, spec))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(self._begun_for_nobody)
            raise

    def let_run(self, process: Process) -> None:
        """Nobody attends to it any more. It goes on all the same: what it writes is read and dropped, and its terminal
        stays, so that neither stops it."""
        going = asyncio.get_running_loop().create_task(_run_unheard(process))
        self._unheard.add(going)
        going.add_done_callback(self._unheard.discard)

    def _begun_for_nobody(self, beginning: asyncio.Task[Process]) -> None:
        if not beginning.cancelled() and beginning.exception() is None:
            self.let_run(beginning.result())

    async def _begin(self, made: Exec, container: Container, spec: ExecSpec) -> Process:
        try:
            # It must not see, under a name of ours, the interface of a network that was just disconnected.
            await self._context.sandboxes.settled(container)
            process = await self._context.runtime.exec(self._describe(made.id, container, spec))
        except Refusal as refused:
            told = isinstance(refused, RuntimeRefused)
            code, text = exec_failure(refused.message) if told else (CANNOT_RUN, refused.message)
            self._ended(made, container, code)
            raise StartFailed(text) from refused
        except BaseException:
            self._ended(made, container, CANNOT_RUN)
            raise
        made.process, made.pid, made.running = process, process.pid, True
        made.settled.set()
        asyncio.get_running_loop().create_task(self._follow(made, container, process))
        return process

    def _describe(self, exec_id: str, container: Container, spec: ExecSpec) -> ExecLaunch:
        hostname = container.spec.network.hostname or container.id[:12]
        return ExecLaunch(
            exec_id=exec_id,
            container=container,
            spec=spec,
            rootfs=str(self._context.rootfs.merged(container.id)),
            env=process_environment((*container.env, *spec.env), hostname, spec.tty, self._links(container)),
            workdir=spec.working_dir or container.workdir,
            user=spec.user or container.user,
        )

    def _links(self, container: Container) -> tuple[str, ...]:
        """What the process is told of linked containers, as far as they run."""
        try:
            return self._context.sandboxes.link_environment(container)
        except Refusal:
            return ()

    async def _follow(self, made: Exec, container: Container, process: Process) -> None:
        code = await process.wait()
        self._ended(made, container, code)
        self._announce(made, container, "exec_die", exitCode=str(code))

    def _ended(self, made: Exec, container: Container, code: int) -> None:
        made.exit_code, made.running = code, False
        made.settled.set()
        asyncio.get_running_loop().call_later(KEPT_AFTER_END, self._execs.pop, made.id, None)

    def container_removed(self, container_id: str) -> None:
        """Nobody can ask for its execs any more."""
        for made in [made for made in self._execs.values() if made.container_id == container_id]:
            del self._execs[made.id]

    def container_ended(self, container: Container) -> None:
        """The container's processes have died with it; execs that never ran can never run."""
        for made in [made for made in self._execs.values() if made.container_id == container.id]:
            if not made.started:
                del self._execs[made.id]

    async def stop(self, made: Exec) -> None:
        """Kill the process, as a health probe that takes too long deserves."""
        if made.process is not None and made.running:
            with contextlib.suppress(ProcessLookupError):
                made.process.kill(signal.SIGKILL)
            await made.process.wait()

    async def resize(self, exec_id: str, height: int, width: int) -> None:
        """Clients say the size as soon as their stream is open, when the process may still be starting."""
        made = self.get(exec_id)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(made.settled.wait(), START_PATIENCE)
        if made.process is None or not made.running:
            raise Conflict(f"exec {made.id} is not running")
        made.process.resize(height, width)

    def _announce(self, made: Exec, container: Container, action: str, **attributes: str) -> None:
        current = self._context.state.containers.get(container.id, container)
        self._context.announce(current, action, execID=made.id, **attributes)


async def _run_unheard(process: Process) -> None:
    with contextlib.suppress(OSError):
        await process.close_stdin()
    dropping = [asyncio.ensure_future(_drop(process, stream)) for stream in process.streams]
    try:
        await process.wait()
    finally:
        for each in dropping:
            each.cancel()
        await asyncio.gather(*dropping, return_exceptions=True)
        process.close()


async def _drop(process: Process, stream: int) -> None:
    while await process.read(stream):
        pass


def _words(spec: ExecSpec) -> str:
    return f"{spec.cmd[0]} {' '.join(spec.cmd[1:])}"


def _check_running(container: Container) -> None:
    if container.state.status == PAUSED:
        raise Conflict(f"container {container.id} is paused, unpause the container before exec")
    if container.state.status == RESTARTING:
        raise Conflict(f"container {container.id} is restarting, wait until the container is running")
    if not container.state.pid:
        raise Conflict(f"container {container.id} is not running")
