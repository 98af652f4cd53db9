"""From a manager's wishes to containers that really run, and their states back."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.core.swarm.dispatch import Difference
from fairlead.engine import records
from fairlead.model.container import HealthSpec, Mount
from fairlead.model.swarm.assignment import Assignment
from fairlead.model.swarm.endpoint import EndpointSpec, PortConfig, ServiceEndpoint
from fairlead.model.swarm.files import Config, FileSpec, Secret
from fairlead.model.swarm.states import TaskState as S
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import ContainerTemplate, FileReference, TaskTemplate
from tests.core.swarm import builders
from tests.engine.swarm.agent.member import Member
from tests.support.machines import eventually

QUIET = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
SECOND = 1_000_000_000


def task(task_id: str = "t1", slot: int = 1, desired: S = S.RUNNING, **container: object) -> Task:
    image = str(container.pop("image", "busybox"))
    container.setdefault("args", QUIET)
    template = TaskTemplate(ContainerTemplate(image, **container))  # type: ignore[arg-type]
    service = builders.service("web", template=template)
    return builders.task(task_id, service, slot, state=S.ASSIGNED, desired=desired)


async def test_a_task_runs_as_a_container(member: Member) -> None:
    member.manager.assign(task())
    status = await member.manager.reach("t1", S.RUNNING)
    container = member.running("t1")
    assert container.name == "web.1.t1"
    assert container.spec.restart.name == "no"
    assert status.container is not None
    assert (status.container.container_id, status.container.pid) == (container.id, container.state.pid)
    assert (status.message, status.error) == ("started", "")
    states = member.manager.states("t1")
    assert states == sorted(set(states))


async def test_a_task_wished_ready_waits_for_its_turn(member: Member) -> None:
    member.manager.assign(task(desired=S.READY))
    await member.manager.reach("t1", S.READY)
    container = member.container("t1")
    assert container is not None
    assert container.state.status == "created"
    member.manager.wish("t1", S.RUNNING)
    await member.manager.reach("t1", S.RUNNING)


async def test_it_is_running_when_it_is_healthy(member: Member) -> None:
    probe = HealthSpec(("CMD", "test", "-e", "/tmp/well"), interval=SECOND // 20, retries=1000)
    member.manager.assign(task(health=probe))
    await member.manager.reach("t1", S.STARTING)
    container = member.container("t1")
    assert container is not None
    await eventually(lambda: _probed(member))
    assert member.manager.status("t1").state == S.STARTING
    (member.engine.rootfs.merged(container.id) / "tmp/well").touch()
    await member.manager.reach("t1", S.RUNNING)


def _probed(member: Member) -> bool:
    container = member.container("t1")
    return container is not None and container.state.health is not None and bool(container.state.health.log)


async def test_an_unhealthy_container_is_stopped_and_failed(member: Member) -> None:
    probe = HealthSpec(("CMD", "test", "!", "-e", "/tmp/ill"), interval=SECOND // 20, retries=1)
    member.manager.assign(task(health=probe, args=("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done")))
    await member.manager.reach("t1", S.RUNNING)
    (member.engine.rootfs.merged(member.running("t1").id) / "tmp/ill").touch()
    status = await member.manager.reach("t1", S.FAILED)
    assert status.error == "task: non-zero exit (3): dockerexec: unhealthy container"


@pytest.mark.parametrize(
    ("args", "state", "error"),
    [(("true",), S.COMPLETE, ""), (("sh", "-c", "exit 5"), S.FAILED, "task: non-zero exit (5)")],
)
async def test_how_a_container_ends_by_itself(member: Member, args: tuple[str, ...], state: S, error: str) -> None:
    member.manager.assign(task(args=args))
    status = await member.manager.reach("t1", state)
    assert status.error == error
    assert member.container("t1") is not None


async def test_a_container_that_its_user_killed_is_a_failed_task(member: Member) -> None:
    member.manager.assign(task())
    await member.manager.reach("t1", S.RUNNING)
    await member.engine.containers.kill("web.1.t1")
    assert (await member.manager.reach("t1", S.FAILED)).error == "task: non-zero exit (137)"


async def test_a_container_that_its_user_removed_is_a_failed_task(member: Member) -> None:
    member.manager.assign(task())
    await member.manager.reach("t1", S.RUNNING)
    await member.engine.containers.remove("web.1.t1", force=True)
    await member.manager.reach("t1", S.FAILED)


async def test_a_failed_task_that_its_user_starts_again_is_stopped(member: Member) -> None:
    args = ("sh", "-c", "test -e /tmp/again && exec sleep 1000; touch /tmp/again; exit 1")
    member.manager.assign(task(args=args, stop_grace=0))
    await member.manager.reach("t1", S.FAILED)
    await member.engine.containers.start("web.1.t1")
    await eventually(lambda: member.engine.state.container("web.1.t1").state.status == "exited")


async def test_an_image_that_nobody_has_is_rejected(member: Member) -> None:
    member.manager.assign(task(image="127.0.0.1:1/missing:1"))
    status = await member.manager.reach("t1", S.REJECTED)
    assert status.error == "No such image: 127.0.0.1:1/missing:1"
    assert status.message == "preparing"


async def test_a_pull_ends_when_nobody_wants_the_task_any_more(member: Member) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        member.manager.assign(task(image=f"127.0.0.1:{silent.getsockname()[1]}/slow:1"))
        await asyncio.to_thread(silent.accept)
        assert member.manager.status("t1").state == S.PREPARING
        member.manager.wish("t1", S.SHUTDOWN)
        await member.manager.reach("t1", S.SHUTDOWN)
    assert member.container("t1") is None


async def test_a_task_that_never_had_a_container_leaves_nothing(
    member: Member, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pulling = f"127.0.0.1:{silent.getsockname()[1]}/slow:1"
        member.manager.assign(task("t1", image="127.0.0.1:1/missing:1"), task("t2", 2, image=pulling))
        await member.manager.reach("t1", S.REJECTED)
        await asyncio.to_thread(silent.accept)
        member.manager.drop("t1", "t2")
        await eventually(lambda: not records.load(Assignment, member.engine.store.load()))
    assert "stuck" not in caplog.text


async def test_a_bind_without_source_is_rejected(member: Member) -> None:
    member.manager.assign(task(mounts=(Mount("bind", "/data", "/nowhere/at/all"),)))
    status = await member.manager.reach("t1", S.REJECTED)
    assert status.error == 'invalid mount config for type "bind": bind source path does not exist: /nowhere/at/all'


async def test_a_program_that_is_not_there_fails_the_start(member: Member) -> None:
    member.manager.assign(task(args=("missing-program",)))
    status = await member.manager.reach("t1", S.FAILED)
    assert status.error.startswith("starting container failed: failed to create task for container")
    assert 'exec: "missing-program": executable file not found in $PATH' in status.error


async def test_host_ports_are_told_and_a_taken_one_fails(member: Member) -> None:
    def with_port(task_id: str, slot: int, published: int) -> Task:
        spec = EndpointSpec(ports=(PortConfig(80, published, mode="host"),))
        return replace(task(task_id, slot), endpoint=ServiceEndpoint(spec))

    member.manager.assign(with_port("t1", 1, 0))
    status = await member.manager.reach("t1", S.RUNNING)
    (port,) = status.ports
    assert (port.target, port.mode) == (80, "host")
    assert port.published > 0
    member.manager.assign(with_port("t2", 2, port.published))
    status = await member.manager.reach("t2", S.FAILED)
    assert status.error.startswith("starting container failed: ")
    assert status.error.endswith(f"Bind for 0.0.0.0:{port.published} failed: port is already allocated")


async def test_a_shutdown_keeps_the_container_and_a_drop_removes_it(member: Member) -> None:
    member.manager.assign(task(mounts=(Mount("volume", "/data"),)))
    await member.manager.reach("t1", S.RUNNING)
    member.manager.wish("t1", S.SHUTDOWN)
    status = await member.manager.reach("t1", S.SHUTDOWN)
    assert status.message == "shutdown"
    container = member.container("t1")
    assert container is not None
    assert container.state.status == "exited"
    member.manager.drop("t1")
    await eventually(lambda: member.container("t1") is None)
    await eventually(lambda: not member.engine.volumes.list())
    assert not member.engine.store.load().get("assignment")


async def test_the_grace_period_ends_with_a_kill(member: Member) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    member.manager.assign(task(args=stubborn, stop_grace=SECOND))
    await member.manager.reach("t1", S.RUNNING)
    begun = time.monotonic()
    member.manager.wish("t1", S.SHUTDOWN)
    status = await member.manager.reach("t1", S.SHUTDOWN)
    assert 0.9 < time.monotonic() - begun < 9, "the default is 10 s"
    assert status.container is not None
    assert status.container.exit_code == 137


async def test_secrets_and_configs_are_files_that_no_disk_and_no_inspect_shows(member: Member) -> None:
    secret = FileReference("s1", "pass", "pass", "7", "8", 0o400)
    config = FileReference("c1", "site", "/etc/site.conf")
    word = "correct-horse-battery-staple"
    member.manager.assign(
        task(secrets=(secret,), configs=(config,)),
        secrets=(Secret("s1", FileSpec("pass", b64encode(word.encode()).decode())),),
        configs=(Config("c1", FileSpec("site", b64encode(b"listen 80").decode())),),
    )
    await member.manager.reach("t1", S.RUNNING)
    container = member.running("t1")
    assert await member.run_in(container, "cat", "/run/secrets/pass") == word
    assert await member.run_in(container, "stat", "-c", "%u %g %a", "/run/secrets/pass") == "7 8 400\n"
    assert await member.run_in(container, "cat", "/etc/site.conf") == "listen 80"
    assert "Read-only" in await member.run_in(container, "sh", "-c", "echo x > /run/secrets/pass")
    assert word not in repr(container)
    assert word not in repr(member.engine.store.load())
    assert not _anywhere(member.config.data_root, word.encode())
    member.manager.wish("t1", S.SHUTDOWN)
    await member.manager.reach("t1", S.SHUTDOWN)
    assert not (member.config.exec_root / "private").exists()


def _anywhere(folder: Path, word: bytes) -> list[str]:
    files = (Path(top) / name for top, _, names in os.walk(folder) for name in names)
    return [str(path) for path in files if path.is_file() and word in path.read_bytes()]


async def test_a_task_waits_for_a_secret_that_was_not_told_yet(member: Member) -> None:
    member.manager.assign(task(secrets=(FileReference("s1", "pass", "pass"),)))
    await member.manager.reach("t1", S.PREPARING)
    member.manager.say(Difference(secrets=(Secret("s1", FileSpec("pass", "aGk=")),)))
    await member.manager.reach("t1", S.RUNNING)


async def test_ten_tasks_are_running_soon(member: Member, record_property: Callable[[str, object], None]) -> None:
    begun = time.monotonic()
    member.manager.assign(*(task(f"t{number}", number) for number in range(1, 11)))
    await asyncio.gather(*(member.manager.reach(f"t{number}", S.RUNNING) for number in range(1, 11)))
    took = time.monotonic() - begun
    record_property("seconds", took)
    print(f"ten tasks: {took:.2f} s")
    assert took < 10
