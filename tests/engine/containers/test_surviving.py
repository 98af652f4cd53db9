"""Containers and the daemon's own life: a stop, a crash, and what is found afterwards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.engine.containers.conftest import Desk
from tests.support.machines import wait_for

pytestmark = pytest.mark.lab


def restart(desk: Desk, crash: bool) -> None:
    if crash:
        desk.machine.kill()
    else:
        desk.machine.stop()
    wait_for(lambda: not desk.machine.answers(), what="the daemon to be gone")
    desk.machine.start()


@pytest.mark.parametrize("crash", [False, True])
def test_containers_run_through_a_restart(desk: Desk, crash: bool) -> None:
    desk.docker("run -d --name {name} busybox sh -c 'while :; do echo tick; sleep 0.1; done'")
    before = desk.inspect("State")
    restart(desk, crash)
    after = desk.inspect("State")
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    lines = desk.docker("logs {name}").count("tick")
    wait_for(lambda: desk.docker("logs {name}").count("tick") > lines, what="the log to grow")
    assert desk.docker("exec {name} echo alive") == "alive\n"
    desk.docker("stop -t 0 {name}")
    assert desk.inspect("State")["ExitCode"] == 137


def test_an_end_that_nobody_saw_is_found(desk: Desk) -> None:
    desk.docker("run -d -i --name {name} busybox sh -c 'sleep 0.5; exit 6'")
    desk.docker("run -d --rm --name {name}2 busybox sleep 0.5")
    desk.machine.kill()
    wait_for(lambda: not desk.machine.answers(), what="the daemon to be gone")
    pids = desk.machine.directory / "exec/containers"
    wait_for(lambda: all((bundle / "exit").exists() for bundle in pids.iterdir()), what="both to end")
    desk.machine.start()
    wait_for(lambda: desk.inspect("State")["Status"] == "exited", what="the end to be written down")
    assert desk.inspect("State")["ExitCode"] == 6
    wait_for(lambda: f"{desk.name}2" not in desk.docker("ps -a --format '{{.Names}}'"), what="--rm to be done")


def test_a_crash_before_an_end_is_written_down_loses_no_exit_code(desk: Desk) -> None:
    """Nothing can be written while the containers are taken down, and then the daemon is killed."""
    folder = desk.machine.directory
    (folder / "go").unlink(missing_ok=True)
    script = f"while [ ! -e {folder}/go ]; do sleep 0.02; done; exit 6"
    names = [desk.name, f"{desk.name}2"]
    for name in names:
        desk.docker(f"run -d --name {name} -v {folder}:{folder} busybox sh -c '{script}'")
    states = [folder / "exec/runc" / json.loads(desk.docker(f"inspect {name}"))[0]["Id"] for name in names]
    with closing(sqlite3.connect(folder / "data/state.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        (folder / "go").touch()
        wait_for(lambda: not any(state.exists() for state in states), what="both to be taken down")
        desk.machine.kill()
    desk.machine.start()
    for name in names:
        wait_for(lambda name=name: status(desk, name)[0] == "exited", what=f"the end of {name}")
    assert [status(desk, name)[1] for name in names] == [6, 6]


def status(desk: Desk, name: str) -> tuple[str, int]:
    state = json.loads(desk.docker(f"inspect {name}"))[0]["State"]
    return state["Status"], state["ExitCode"]


def test_policies_hold_over_a_restart(desk: Desk) -> None:
    desk.docker("run -d --name {name} --restart unless-stopped busybox sleep 1000")
    desk.docker("run -d --name {name}2 --restart always busybox sleep 1000")
    desk.docker("stop -t 0 {name} {name}2")
    restart(desk, crash=True)
    wait_for(lambda: f"{desk.name}2" in desk.docker("ps --format '{{.Names}}'"), what="the one that always runs")
    assert desk.inspect("State")["Status"] == "exited"


def test_nothing_is_left_of_a_removed_container(desk: Desk) -> None:
    container_id = desk.docker("run -d --name {name} busybox sleep 1000").strip()
    desk.docker("rm -f {name}")
    folder = desk.machine.directory
    assert not (folder / "exec/containers" / container_id).exists()
    assert not (folder / "exec/runc" / container_id).exists()
    assert not (folder / "data/containers" / container_id).exists()
    assert container_id not in desk.machine.sh("cat /proc/mounts").stdout
