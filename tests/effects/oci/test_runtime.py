"""Real containers by conmon and runc, in a mount and network of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from fairlead.effects.oci import cgroup, remains
from fairlead.effects.oci.conmon import Programs
from fairlead.effects.oci.process import collect_in_time
from fairlead.effects.oci.runtime import OciRuntime, cgroup_parent
from fairlead.model.container import Container, ContainerSpec, Device, ExecSpec, Resources
from fairlead.model.errors import RuntimeRefused
from fairlead.model.runtime import STDERR, STDOUT, Ended, ExecLaunch, Launch
from tests.support.machines import eventually

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("conmon", "runc", "busybox"))),
    reason="needs root, conmon, runc and busybox",
)
PATIENCE = 15.0


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rootfs")
    root.chmod(0o755)
    (root / "bin").mkdir()
    shutil.copy(shutil.which("busybox") or "", root / "bin/busybox")
    for name in ("sh", "cat", "sleep", "echo", "id", "stty", "kill", "dd", "wc", "readlink"):
        (root / "bin" / name).symlink_to("busybox")
    return root


@dataclass
class Yard:
    """A runtime with its own exec-root; everything in it is gone after the test."""

    runtime: OciRuntime
    exec_root: Path
    rootfs: Path
    ids: list[str] = field(default_factory=list)

    def launch(self, script: str, spec: ContainerSpec | None = None, **fields: object) -> Launch:
        container_id = sha256(f"{self.exec_root}{len(self.ids)}".encode()).hexdigest()
        self.ids.append(container_id)
        container = Container(container_id, "c", 0, spec or ContainerSpec("i"), "sha256:0", ("sh", "-c", script))
        log_path = str(self.exec_root / f"{container_id}.log")
        return Launch(
            container,
            str(self.rootfs),
            None,
            "box",
            env=("PATH=/bin",),
            log_path=log_path,
            **fields,  # type: ignore[arg-type]
        )

    @asynccontextmanager
    async def created(self, launch: Launch) -> AsyncIterator[str]:
        await self.runtime.create(launch)
        yield launch.container.id

    def end_of(self, container_id: str) -> asyncio.Future[Ended]:
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.runtime.watch(container_id, future.set_result)
        return future

    async def run(self, launch: Launch) -> Ended:
        async with self.created(launch) as container_id:
            await self.runtime.start(container_id)
            return await asyncio.wait_for(self.end_of(container_id), PATIENCE)

    def log(self, launch: Launch) -> list[str]:
        return [line.split(" ", 3)[3] for line in Path(launch.log_path).read_text().splitlines()]


@pytest.fixture
async def yard(tmp_path: Path, rootfs: Path) -> AsyncIterator[Yard]:
    begun = time.clock_gettime(time.CLOCK_BOOTTIME)
    yard = Yard(OciRuntime(tmp_path / "exec"), tmp_path / "exec", rootfs)
    yield yard
    for container_id in yard.ids:
        await yard.runtime.discard(container_id)
    assert not list((tmp_path / "exec/containers").iterdir())
    assert not list((tmp_path / "exec/runc").glob("*"))
    await eventually(lambda: not uncollected(begun))
    cgroup.remove(cgroup_parent(tmp_path / "exec"))


def uncollected(begun: float) -> list[str]:
    """The children of ours, begun since, that have ended and for which nobody waits, by name (proc_pid_stat(5)). What
    other tests have started in this process is theirs."""
    found = []
    for lists in Path("/proc/self/task").glob("*/children"):
        for pid in lists.read_text().split():
            with suppress(OSError):
                name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
                state, started = rest.split()[0], int(rest.split()[19]) / os.sysconf("SC_CLK_TCK")
                found += [name] if state == "Z" and started >= begun else []
    return found


async def output(yard: Yard, container_id: str) -> dict[int, bytes]:
    """Start and read the console to its end."""
    console = yard.runtime.connect(container_id)
    await yard.runtime.start(container_id)
    seen = {STDOUT: b"", STDERR: b""}
    try:
        while (item := await asyncio.wait_for(console.read(), PATIENCE)) is not None:
            seen[item[0]] += item[1]
    finally:
        console.close()
    return seen


async def test_output_and_exit_code(yard: Yard) -> None:
    launch = yard.launch("echo out; echo err >&2; exit 7")
    async with yard.created(launch) as container_id:
        end = yard.end_of(container_id)
        assert await output(yard, container_id) == {STDOUT: b"out\n", STDERR: b"err\n"}
        ended = await asyncio.wait_for(end, PATIENCE)
    assert (ended.exit_code, ended.oom_killed) == (7, False)
    assert sorted(yard.log(launch)) == ["err", "out"]


async def test_a_client_that_came_before_the_start_misses_nothing(yard: Yard) -> None:
    async with yard.created(yard.launch("dd if=/dev/zero bs=1024 count=512 2>/dev/null")) as container_id:
        assert len((await output(yard, container_id))[STDOUT]) == 512 * 1024


async def test_stdin_reaches_the_process_and_its_end_too(yard: Yard) -> None:
    spec = ContainerSpec("i", open_stdin=True, stdin_once=True)
    async with yard.created(yard.launch("cat; echo done", spec)) as container_id:
        console = yard.runtime.connect(container_id)
        await console.write(b"x" * 100_000)
        await console.close_stdin()
        await yard.runtime.start(container_id)
        seen = b""
        while (item := await asyncio.wait_for(console.read(), PATIENCE)) is not None:
            seen += item[1]
        console.close()
    assert seen == b"x" * 100_000 + b"done\n"


async def test_stdin_stays_open_for_the_next_client(yard: Yard) -> None:
    launch = yard.launch("read a; read b; echo $a$b", ContainerSpec("i", open_stdin=True))
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        end = yard.end_of(container_id)
        for text in (b"1\n", b"2\n"):
            console = yard.runtime.connect(container_id)
            await console.write(text)
            await console.close_stdin()
            console.close()
        await asyncio.wait_for(end, PATIENCE)
    assert yard.log(launch) == ["12"]


async def test_a_terminal_can_be_resized(yard: Yard) -> None:
    spec = ContainerSpec("i", tty=True, open_stdin=True, console_size=(10, 20))
    script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done"
    async with yard.created(yard.launch(script, spec)) as cid:
        console = yard.runtime.connect(cid)
        await yard.runtime.start(cid)
        assert await asyncio.wait_for(console.read(), PATIENCE) == (STDOUT, b"10 20\r\n")
        yard.runtime.resize(cid, 33, 44)
        assert await asyncio.wait_for(console.read(), PATIENCE) == (STDOUT, b"33 44\r\n")
        console.close()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("missing",), 'exec: "missing": executable file not found in $PATH'),
        (("/bin",), "permission denied"),
    ],
)
async def test_a_refusal_has_the_runtimes_words_and_leaves_nothing(
    yard: Yard, argv: tuple[str, ...], words: str
) -> None:
    launch = yard.launch("")
    container = Container(launch.container.id, "c", 0, ContainerSpec("i"), "sha256:0", argv)
    with pytest.raises(RuntimeRefused, match="runc create failed") as refused:
        await yard.runtime.create(Launch(container, str(yard.rootfs), None, "box", env=("PATH=/bin",)))
    assert words in refused.value.message
    assert not list((yard.exec_root / "containers").iterdir())


async def test_signals_reach_the_first_process_only_while_it_lives(yard: Yard) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    async with yard.created(yard.launch(script)) as container_id:
        console = yard.runtime.connect(container_id)
        await yard.runtime.start(container_id)
        await asyncio.wait_for(console.read(), PATIENCE)
        console.close()
        yard.runtime.kill(container_id, signal.SIGTERM)
        ended = await asyncio.wait_for(yard.end_of(container_id), PATIENCE)
        assert ended.exit_code == 9
        with pytest.raises(ProcessLookupError):
            yard.runtime.kill(container_id, signal.SIGTERM)


async def test_what_was_started_is_what_was_asked_for(yard: Yard) -> None:
    """A signal that comes at once meets the container's first process, to which it is nothing."""
    for _ in range(5):
        launch = yard.launch("while :; do sleep 100; done")
        launched = await yard.runtime.create(launch)
        await yard.runtime.start(launch.container.id)
        assert Path(f"/proc/{launched.pid}/comm").read_text() == "sh\n"
        yard.runtime.kill(launch.container.id, signal.SIGTERM)
        end = yard.end_of(launch.container.id)
        yard.runtime.kill(launch.container.id, signal.SIGKILL)
        assert (await asyncio.wait_for(end, PATIENCE)).exit_code == 137


async def test_the_oom_killer_is_told(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = ContainerSpec("i", resources=Resources(memory=8 << 20, memory_swap=8 << 20))
    ended = await yard.run(yard.launch("dd if=/dev/zero of=/dev/null bs=64M count=1", spec))
    assert ended.oom_killed
    assert ended.exit_code == 137
    assert not Path("oom").exists(), "conmon leaves a mark where it is started"


async def used_more_than(yard: Yard, container: Container, cpu: int) -> bool:
    return yard.runtime.usage(container).cpu.total > cpu


async def has_processes(yard: Yard, container: Container, count: int) -> bool:
    """runc's init has threads until it has become the container's own program."""
    return yard.runtime.usage(container).pids == count


async def test_usage_and_processes(yard: Yard) -> None:
    launch = yard.launch("while :; do :; done", ContainerSpec("i", resources=Resources(pids=30)))
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        container = launch.container
        before = yard.runtime.usage(container)
        await eventually(lambda: used_more_than(yard, container, before.cpu.total))
        await eventually(lambda: has_processes(yard, container, 1))
        usage = yard.runtime.usage(container)
        assert (usage.pids, usage.pids_limit) == (1, 30)
        assert usage.memory.usage > 0
        assert usage.cpu.system > 0
        titles, lines = await yard.runtime.top(container, "-o pid,args")
        assert titles == ["PID", "COMMAND"]
        assert [line[1] for line in lines] == ["sh -c while :; do :; done"]
        yard.runtime.kill(container_id, signal.SIGKILL)
        await asyncio.wait_for(yard.end_of(container_id), PATIENCE)


async def test_pausing_stops_time_for_the_container(yard: Yard) -> None:
    launch = yard.launch("while :; do :; done")
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        await yard.runtime.pause(container_id)
        first = yard.runtime.usage(launch.container).cpu.total
        assert yard.runtime.usage(launch.container).cpu.total == first
        await yard.runtime.resume(container_id)
        await eventually(lambda: used_more_than(yard, launch.container, first))


async def test_limits_can_be_changed(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        await yard.runtime.update(container_id, Resources(memory=32 << 20, pids=9))
        usage = yard.runtime.usage(launch.container)
        assert (usage.memory.limit, usage.pids_limit) == (32 << 20, 9)


async def exec_(yard: Yard, launch: Launch, *cmd: str, **fields: object) -> ExecLaunch:
    spec = ExecSpec(cmd, **fields)  # type: ignore[arg-type]
    return ExecLaunch(f"exec{len(cmd)}", launch.container, spec, launch.rootfs, ("PATH=/bin",), "/", spec.user)


async def test_exec_with_pipes(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        process = await yard.runtime.exec(
            await exec_(yard, launch, "sh", "-c", "cat; id -u >&2; exit 3", attach_stdin=True, user="12")
        )
        await process.write(b"hello")
        await process.close_stdin()
        assert await asyncio.wait_for(process.read(STDOUT), PATIENCE) == b"hello"
        assert await asyncio.wait_for(process.read(STDERR), PATIENCE) == b"12\n"
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 3
        process.close()


async def test_exec_with_a_terminal(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        process = await yard.runtime.exec(
            await exec_(yard, launch, "sh", "-c", "read line; stty size", tty=True, attach_stdin=True)
        )
        process.resize(12, 34)
        await process.write(b"go\n")
        seen = b""
        while chunk := await asyncio.wait_for(process.read(STDOUT), PATIENCE):
            seen += chunk
        assert seen == b"go\r\n12 34\r\n"
        assert await process.wait() == 0
        process.close()


async def test_exec_refused_and_killed(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    async with yard.created(launch) as container_id:
        await yard.runtime.start(container_id)
        with pytest.raises(RuntimeRefused, match="executable file not found"):
            await yard.runtime.exec(await exec_(yard, launch, "missing"))
        process = await yard.runtime.exec(await exec_(yard, launch, "sleep", "100"))
        process.kill(signal.SIGKILL)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 128 + signal.SIGKILL
        process.close()


async def test_a_new_daemon_takes_over_what_runs_and_what_has_ended(yard: Yard) -> None:
    """Three survivors: running, ended while nobody looked, and created but never let go."""
    running, ended, unstarted = yard.launch("sleep 100"), yard.launch("exit 4"), yard.launch("exit 5")
    for launch in (running, ended, unstarted):
        await yard.runtime.create(launch)
    await yard.runtime.start(running.container.id)
    await yard.runtime.start(ended.container.id)
    await asyncio.wait_for(yard.end_of(ended.container.id), PATIENCE)
    yard.runtime.unwatch_all()

    successor = OciRuntime(yard.exec_root)
    found = {survivor.container_id: survivor for survivor in successor.survivors()}
    assert found[running.container.id].monitor_pid
    assert found[running.container.id].started
    gone = found[ended.container.id]
    assert gone.monitor_pid == 0
    assert gone.ended is not None
    assert gone.ended.exit_code == 4
    assert not found[unstarted.container.id].started

    future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
    successor.watch(running.container.id, future.set_result)
    successor.kill(running.container.id, signal.SIGKILL)
    assert (await asyncio.wait_for(future, PATIENCE)).exit_code == 137
    # Here the former daemon still lives, and is the parent of what it let go of.
    yard.end_of(unstarted.container.id)


async def test_an_end_is_noticed_although_conmon_was_killed(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    launched = await yard.runtime.create(launch)
    await yard.runtime.start(launch.container.id)
    end = yard.end_of(launch.container.id)
    os.kill(launched.monitor_pid, signal.SIGKILL)
    assert (await asyncio.wait_for(end, PATIENCE)).exit_code is None
    await yard.runtime.discard(launch.container.id)
    assert not Path(f"/proc/{launched.pid}/exe").exists()


async def test_discarding_is_fine_at_any_point(yard: Yard) -> None:
    launch = yard.launch("sleep 100")
    await yard.runtime.discard(launch.container.id)
    await yard.runtime.create(launch)
    await yard.runtime.discard(launch.container.id)
    await yard.runtime.discard(launch.container.id)
    assert yard.runtime.pids(launch.container) == ()


async def test_how_it_ended_outlives_what_is_left_of_it(yard: Yard) -> None:
    """Until `forget_end` says that the exit code is written down elsewhere."""
    launch = yard.launch("exit 7")
    assert (await yard.run(launch)).exit_code == 7
    await yard.runtime.clear(launch.container.id)
    assert not (yard.exec_root / "runc" / launch.container.id).exists()
    (found,) = OciRuntime(yard.exec_root).survivors()
    assert found.ended is not None
    assert found.ended.exit_code == 7
    yard.runtime.forget_end(launch.container.id)
    assert OciRuntime(yard.exec_root).survivors() == []


async def test_what_no_bundle_tells_of_is_swept(yard: Yard) -> None:
    """Somebody took bundle and monitor away: `runc init` waits for ever, and nobody would ever let it go."""
    kept, lost = yard.launch("sleep 100"), yard.launch("sleep 100")
    await yard.runtime.create(kept)
    launched = await yard.runtime.create(lost)
    os.kill(launched.monitor_pid, signal.SIGKILL)
    shutil.rmtree(yard.exec_root / "containers" / lost.container.id)
    await OciRuntime(yard.exec_root).sweep([kept.container.id])
    assert not Path(f"/proc/{launched.pid}/exe").exists()
    assert [path.name for path in (yard.exec_root / "runc").iterdir()] == [kept.container.id]
    assert cgroup.below(cgroup_parent(yard.exec_root)) == [kept.container.id]
    # Here the former daemon still lives: what lost its monitor has become its child.
    collect_in_time(launched.pid)


async def test_no_cgroup_is_not_the_one_that_everybody_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("somebody would have been killed"))
    assert remains.cgroup_in(Path("/nowhere/config.json")) == ""
    await remains.end_cgroup("")
    await remains.end_cgroup("/")


async def test_a_creation_is_stopped_while_the_runtime_is_at_it(tmp_path: Path, yard: Yard) -> None:
    """It is caught before it has made anything that could be found: what is begun must not come to an end."""
    runc = tmp_path / "slow-runc"
    runc.write_text(f'#!/bin/sh\ncase "$*" in *" create "*) : > {tmp_path}/begun; sleep 100;; esac\nexec runc "$@"\n')
    runc.chmod(0o755)
    slow = OciRuntime(yard.exec_root, Programs(runtime=str(runc)))
    launch = yard.launch("sleep 100")
    creating = asyncio.create_task(slow.create(launch))
    await eventually(lambda: (tmp_path / "begun").exists(), PATIENCE)
    monitor = int((yard.exec_root / "containers" / launch.container.id / "conmon.pid").read_text())
    await OciRuntime(yard.exec_root).discard(launch.container.id)
    with pytest.raises(ProcessLookupError):
        os.killpg(monitor, 0)
    with pytest.raises(RuntimeRefused, match="conmon ended without a word"):
        await creating


async def test_a_creation_that_nobody_waits_for_any_more_leaves_nothing(tmp_path: Path, yard: Yard) -> None:
    runc = tmp_path / "slow-runc"
    runc.write_text(f'#!/bin/sh\ncase "$*" in *" create "*) : > {tmp_path}/begun; sleep 0.2;; esac\nexec runc "$@"\n')
    runc.chmod(0o755)
    creating = asyncio.create_task(
        OciRuntime(yard.exec_root, Programs(runtime=str(runc))).create(yard.launch("sleep 100"))
    )
    await eventually(lambda: (tmp_path / "begun").exists(), PATIENCE)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert cgroup.below(cgroup_parent(yard.exec_root)) == []


async def test_the_end_of_a_container_that_nobody_watched_in_time_is_known(yard: Yard) -> None:
    launch = yard.launch("exit 5")
    launched = await yard.runtime.create(launch)
    await yard.runtime.start(launch.container.id)
    await eventually(lambda: not Path(f"/proc/{launched.monitor_pid}").exists(), PATIENCE)
    assert (await asyncio.wait_for(yard.end_of(launch.container.id), PATIENCE)).exit_code == 5


async def test_shared_memory_can_be_joined(yard: Yard) -> None:
    donor = yard.launch("echo shared > /dev/shm/x; echo there; sleep 100", ContainerSpec("i", ipc_mode="shareable"))
    shm = str(yard.exec_root / "containers" / donor.container.id / "shm")
    donor = replace(donor, shm_path=shm)
    await yard.runtime.create(donor)
    console = yard.runtime.connect(donor.container.id)
    await yard.runtime.start(donor.container.id)
    assert await asyncio.wait_for(console.read(), PATIENCE) == (STDOUT, b"there\n")
    console.close()
    pid = int((yard.exec_root / "containers" / donor.container.id / "pid").read_text())
    guest = yard.launch("cat /dev/shm/x", ipc=f"/proc/{pid}/ns/ipc", shm_path=shm)
    assert (await yard.run(guest)).exit_code == 0
    assert yard.log(guest) == ["shared"]


async def test_a_device_is_there_and_allowed(yard: Yard) -> None:
    spec = ContainerSpec("i", resources=Resources(devices=(Device("/dev/fuse", "/dev/mine", "r"),)))
    ended = await yard.run(yard.launch(": < /dev/mine || exit 5; (: > /dev/mine) || exit 6", spec))
    assert ended.exit_code == 6


@pytest.fixture
def namespace() -> Iterator[str]:
    """The path of a network namespace that lives as long as the test."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 100"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    yield f"/proc/{holder.pid}/ns/net"
    holder.kill()
    holder.communicate()


async def test_a_namespace_made_before_is_joined(yard: Yard, namespace: str) -> None:
    launch = replace(yard.launch("readlink /proc/self/ns/net"), netns=namespace)
    assert (await yard.run(launch)).exit_code == 0
    assert yard.log(launch) == [os.readlink(namespace)]


async def test_the_hosts_network_can_be_used(yard: Yard) -> None:
    launch = replace(yard.launch("readlink /proc/self/ns/net"), netns="")
    assert (await yard.run(launch)).exit_code == 0
    assert yard.log(launch) == [os.readlink("/proc/self/ns/net")]


async def test_a_container_that_was_killed_before_its_start_cannot_be_started(yard: Yard) -> None:
    launch = yard.launch("echo never")
    launched = await yard.runtime.create(launch)
    os.kill(launched.pid, signal.SIGKILL)
    await asyncio.wait_for(yard.end_of(launch.container.id), PATIENCE)
    with pytest.raises(RuntimeRefused, match="cannot start a container"):
        await yard.runtime.start(launch.container.id)
    assert yard.log(launch) == []


async def test_processes_that_outlive_the_first_one_are_killed(yard: Yard) -> None:
    """In the host's pid namespace the kernel does not do it."""
    launch = yard.launch("sleep 1000 & echo $!", pid="")
    assert (await yard.run(launch)).exit_code == 0
    left = int(yard.log(launch)[0])
    await yard.runtime.discard(launch.container.id)
    assert not Path(f"/proc/{left}/exe").exists()
    assert yard.runtime.pids(launch.container) == ()
