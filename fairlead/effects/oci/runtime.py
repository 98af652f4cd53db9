"""Containers as processes: conmon and an OCI runtime, in bundles below exec-root.

The namespace that a container lives in is made and wired before; its path goes into the spec. The
life of a container here:

    create    bundle written, conmon started, the first process waits        (conmon, runc create)
    connect   clients take their place at the console, nothing is lost
    start     the process runs                                               (runc start)
    watch     conmon's pidfd tells of the end; the exit code lies in a file
    clear     whatever is left is killed and taken down, at any point; how it ended can still be read
    discard   and that is forgotten too

Nothing polls and no helper of ours stays behind. After a restart of the daemon `survivors` tells what is there.
Everything outside the bundle (cgroups, the runtime's own state) has a name derived from exec-root, so that several
daemons on one machine never meet.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import platform
import shutil
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.effects.oci import attach, cgroup, conmon, processes, remains, resources, sockets, spec
from fairlead.effects.oci.capabilities import available_here
from fairlead.effects.oci.conmon import Bundle, Programs
from fairlead.effects.oci.exec import ExecCommand, ExecProcess
from fairlead.effects.oci.process import NO_STATUS, Exit, adopt_orphans, collect_in_time, run
from fairlead.effects.oci.runcstate import forget, release, waits
from fairlead.effects.oci.seccomp import Profiles
from fairlead.effects.oci.shm import make_shm, remove_shm
from fairlead.effects.oci.users import identity_in
from fairlead.model.container import DEFAULT_SHM, Container, Resources
from fairlead.model.errors import Failed, RuntimeRefused
from fairlead.model.runtime import Ended, ExecLaunch, InterfaceCounters, Launch, Launched, Survivor, Usage

KILLED = 128 + signal.SIGKILL

_log = logging.getLogger("fairlead.runtime")


class OciRuntime:
    """Runs containers below one exec-root."""

    def __init__(self, exec_root: Path, programs: Programs | None = None) -> None:
        self._programs = programs or Programs()
        self._bundles = exec_root / "containers"
        self._runtime_root = exec_root / "runc"
        self._env = {"PATH": self._programs.search_path}
        self._watches: dict[str, Exit] = {}
        self._survived: dict[str, int] = {}
        """The monitors of containers that were there at boot, until they are watched."""
        parent = cgroup_parent(exec_root)
        profiles = Profiles(platform.machine())
        if not profiles.available:
            _log.warning("no seccomp profile: containers may make any system call; install containers-common")
        self._host = spec.HostTraits(profiles, available_here(), cgroup.unified(), parent)
        self._bundles.mkdir(parents=True, exist_ok=True)
        (exec_root / "cgroup").write_text(parent + "\n")
        adopt_orphans()

    @property
    def init_program(self) -> str:
        """The helper for `--init`; "" when it is not installed."""
        return self._programs.init if os.path.exists(self._programs.init) else ""

    def _bundle(self, container_id: str) -> Bundle:
        return Bundle(self._bundles / container_id)

    def _runc(self, *arguments: str) -> list[str]:
        return [self._programs.runtime, f"--root={self._runtime_root}", *arguments]

    def _cgroup(self, container: Container) -> str:
        return spec.cgroup_path(container, self._host.cgroup_parent)

    async def create(self, launch: Launch) -> Launched:
        """Make the container; its first process waits for `start`. Raises RuntimeRefused, leaving nothing behind."""
        container = launch.container
        self._survived.pop(container.id, None)
        bundle = self._bundle(container.id)
        if bundle.folder.exists():
            await self.discard(container.id)
        identity = identity_in(Path(launch.rootfs), container.user, container.spec.group_add)
        config = spec.build(launch, identity, self._host)
        bundle.folder.mkdir(parents=True, mode=0o711)
        bundle.config.write_bytes(msgspec.json.encode(config))
        if launch.shm_path == str(bundle.folder / "shm"):
            make_shm(Path(launch.shm_path), container.spec.shm_size or DEFAULT_SHM)
        asked = container.spec
        console = conmon.Console(asked.tty, asked.open_stdin, asked.stdin_once, launch.log_path, launch.log_size)
        try:
            pid = await conmon.launch(bundle, console, self._programs, self._runtime_root)
        except BaseException:
            self._attend(bundle)
            await self.discard(container.id)
            raise
        return Launched(pid, self._attend(bundle))

    def _attend(self, bundle: Bundle) -> int:
        """Be there for the end of a monitor that was just started, however soon it comes; its pid, 0 without one."""
        pid = bundle.last_monitor_pid()
        if pid:
            with suppress(ProcessLookupError):
                self._watches[bundle.container_id] = Exit(pid)
        return pid

    async def start(self, container_id: str) -> None:
        """Let the first process go."""
        if not await release(self._runtime_root / container_id, self._bundle(container_id).pid()):
            await self._command("start", container_id)

    def connect(self, container_id: str) -> attach.ConsoleClient:
        """A client of the container's console. Raises OSError when it does not run."""
        return attach.connect(self._bundle(container_id).folder)

    def watch(self, container_id: str, on_end: Callable[[Ended], None]) -> None:
        """Call `on_end` once when the container has ended, also if that is before now."""
        bundle = self._bundle(container_id)

        def report(_status: int) -> None:
            self._watches.pop(container_id, None)
            on_end(self._ended(bundle))

        survivor = self._survived.pop(container_id, 0)
        try:
            watch = self._watches.get(container_id) or Exit(survivor or bundle.monitor_pid())
        except (ProcessLookupError, OSError):
            asyncio.get_running_loop().call_soon(report, NO_STATUS)
        else:
            self._watches[container_id] = watch
            watch.report(report)

    def _ended(self, bundle: Bundle) -> Ended:
        code = bundle.exit_code()
        # conmon, told of the end first, leaves without having looked what killed it.
        oom_killed = bundle.oom_killed() or (code == KILLED and cgroup.oom_kills(remains.cgroup_in(bundle.config)) > 0)
        return Ended(code, oom_killed, bundle.exit_time())

    def unwatch_all(self) -> None:
        """The daemon goes, the containers stay."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def kill(self, container_id: str, signal_number: int) -> None:
        """Signal the first process. Raises ProcessLookupError when it has ended."""
        bundle = self._bundle(container_id)
        pid = bundle.pid()
        if not pid:
            raise ProcessLookupError(container_id)
        pidfd = os.pidfd_open(pid)
        try:
            if not _is_child_of(pid, bundle.monitor_pid()):
                raise ProcessLookupError(container_id)
            signal.pidfd_send_signal(pidfd, signal_number)
        finally:
            os.close(pidfd)

    async def pause(self, container_id: str) -> None:
        await self._command("pause", container_id)

    async def resume(self, container_id: str) -> None:
        await self._command("resume", container_id)

    async def update(self, container_id: str, wanted: Resources) -> None:
        """Change the limits of a running container."""
        limits = msgspec.json.encode(resources.limits(wanted))
        done = await run(self._runc("update", "--resources=-", container_id), self._env, limits)
        if done.status != 0:
            raise RuntimeRefused(_reason(done.stderr))

    async def _command(self, verb: str, container_id: str) -> None:
        done = await run(self._runc(verb, container_id), self._env)
        if done.status != 0:
            raise RuntimeRefused(_reason(done.stderr))

    def resize(self, container_id: str, height: int, width: int) -> None:
        self._bundle(container_id).control(conmon.WINDOW_SIZE, height, width)

    def reopen_log(self, container_id: str) -> None:
        """The log file was moved away: conmon shall begin a new one."""
        self._bundle(container_id).control(conmon.REOPEN_LOG)

    async def exec(self, launch: ExecLaunch) -> ExecProcess:
        """Start a further process. Raises RuntimeRefused with the runtime's reason."""
        container, asked = launch.container, launch.spec
        identity = identity_in(Path(launch.rootfs), launch.user, container.spec.group_add if not asked.user else ())
        process = spec.process(container, identity, self._host, asked.privileged or container.spec.privileged)
        process |= {
            "terminal": asked.tty,
            "args": list(asked.cmd),
            "env": list(launch.env),
            "cwd": launch.workdir or "/",
        }
        if asked.tty and any(asked.console_size):
            process["consoleSize"] = {"height": asked.console_size[0], "width": asked.console_size[1]}
        folder = self._bundle(container.id).folder / "exec" / launch.exec_id
        command = ExecCommand(self._runc(), folder, container.id, self._env)
        try:
            return await command.start(process, (asked.attach_stdin, asked.attach_stdout, asked.attach_stderr))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def pids(self, container: Container) -> Sequence[int]:
        return cgroup.pids(self._cgroup(container))

    def usage(self, container: Container) -> Usage:
        return cgroup.usage(self._cgroup(container))

    async def top(self, container: Container, arguments: str) -> tuple[list[str], list[list[str]]]:
        return await processes.top(self.pids(container), arguments, self._env)

    def traffic(self, pid: int) -> Sequence[InterfaceCounters]:
        return processes.traffic(pid)

    def is_asked(self, pid: int) -> bool:
        return sockets.is_asked(pid)

    async def discard(self, container_id: str) -> None:
        """Kill what is left of the container and forget it; nothing to do is fine."""
        await self.clear(container_id)
        self.forget_end(container_id)

    async def clear(self, container_id: str) -> None:
        """Kill what is left of the container; how it ended stays written down. Nothing to do is fine."""
        bundle = self._bundle(container_id)
        self._survived.pop(container_id, None)
        watch = self._watches.pop(container_id, None)
        if watch is not None:
            watch.ignore()
        killed = await self._delete(bundle)
        monitor = bundle.monitor_pid()
        if monitor:
            # It is caught at its work, of which there may be more by now.
            group = remains.cgroup_in(bundle.config)
            await remains.end_group(monitor)
            killed |= await self._delete(bundle)
            await remains.end_cgroup(group)
        for pid in killed:
            # Whatever its monitor did not see end is a child of ours by now.
            collect_in_time(pid)
        remove_shm(bundle.folder / "shm")

    async def _delete(self, bundle: Bundle) -> set[int]:
        """Take the container from the runtime; the processes that it had until then."""
        state = self._runtime_root / bundle.container_id
        if not state.exists() or await self._forget_ended(bundle):
            return set()
        processes = self._processes(bundle)
        done = await run(self._runc("delete", "--force", bundle.container_id), self._env)
        if done.status != 0 and state.exists():
            raise Failed(f"cannot discard container {bundle.container_id}: {_reason(done.stderr)}")
        return processes

    def _processes(self, bundle: Bundle) -> set[int]:
        group = remains.cgroup_in(bundle.config)
        first = {bundle.pid()} if bundle.exit_code() is None else set()
        return first.union(cgroup.pids(group) if group else ())

    async def _forget_ended(self, bundle: Bundle) -> bool:
        """Do what `runc delete` does for a container that has ended; False when it may still have processes."""
        if bundle.exit_code() is None:
            return False
        return await asyncio.to_thread(forget, self._runtime_root / bundle.container_id)

    def forget_end(self, container_id: str) -> None:
        """How it ended is known elsewhere by now."""
        shutil.rmtree(self._bundle(container_id).folder, ignore_errors=True)

    async def sweep(self, kept: Collection[str]) -> None:
        """End what is there of all other containers, with or without a bundle (at boot)."""
        states = self._runtime_root.iterdir() if self._runtime_root.exists() else ()
        found = {*(state.name for state in states), *cgroup.below(self._host.cgroup_parent)}
        for container_id in sorted(found.difference(kept)):
            _log.info("ending what is left of a container that does not run", extra={"container": container_id})
            try:
                await self.discard(container_id)
                await remains.end_cgroup(f"{self._host.cgroup_parent}/{container_id}")
            except Failed as failed:
                _log.error("it is still there: %s", failed.message, extra={"container": container_id})

    def survivors(self) -> Sequence[Survivor]:
        """What is there at boot: every bundle, running or not."""
        return [self._survivor(Bundle(folder)) for folder in sorted(self._bundles.iterdir()) if folder.is_dir()]

    def _survivor(self, bundle: Bundle) -> Survivor:
        pid, monitor = bundle.pid(), bundle.monitor_pid()
        if monitor:
            self._survived[bundle.container_id] = monitor
        started = not waits(self._runtime_root / bundle.container_id, pid)
        ended = None if monitor else self._ended(bundle)
        return Survivor(bundle.container_id, pid, monitor, started, ended)


def cgroup_parent(exec_root: Path) -> str:
    """The cgroup above all containers of a daemon, below every controller; also kept in `<exec-root>/cgroup`."""
    return f"/fairlead-{hashlib.sha256(str(exec_root).encode()).hexdigest()[:12]}"


def _is_child_of(pid: int, parent: int) -> bool:
    """Field 4 of proc_pid_stat(5); the name in field 2 may hold anything, so count from its end."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) == parent


def _reason(stderr: bytes) -> str:
    """The runtime's last line on stderr, without the decoration of its logger."""
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return "the runtime gave no reason"
    text = lines[-1].strip()
    if 'msg="' in text:
        text = text.partition('msg="')[2].rpartition('"')[0].replace('\\"', '"')
    return text
