"""What happens to containers: stopping, restarting, health, renaming, removal, events."""

from __future__ import annotations

import time

import pytest

from tests.engine.containers.conftest import Desk
from tests.support.machines import wait_for

pytestmark = pytest.mark.lab


def test_stopping_and_starting(desk: Desk) -> None:
    desk.docker("run -d --name {name} busybox sh -c 'trap \"exit 5\" TERM; while :; do sleep 0.1; done'")
    assert "is running: stop the container before" in desk.docker("rm {name}", code=1)
    desk.docker("stop {name}")
    state = desk.inspect("State")
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 5, False)
    desk.docker("start {name}")
    desk.docker("restart -t 0 {name}")
    desk.docker("pause {name}")
    assert desk.inspect("State")["Paused"]
    assert "paused" in desk.docker("exec {name} true", code=1)
    desk.docker("unpause {name}")
    desk.docker("kill -s TERM {name}")
    assert desk.docker("wait {name}") == "5\n"
    assert "is not running" in desk.docker("kill {name}", code=1)


def test_who_waits_is_told(desk: Desk) -> None:
    desk.docker("run -d --name {name} busybox sleep 1000")
    client = desk.client()
    container = client.containers.get(desk.name)
    container.kill("KILL")
    assert container.wait(timeout=30)["StatusCode"] == 137
    assert "No such container" in desk.docker("wait nobody", code=1)


@pytest.mark.parametrize(("policy", "count"), [("no", 0), ("on-failure:2", 2)])
def test_restart_policies(desk: Desk, policy: str, count: int) -> None:
    desk.docker(f"run -d --name {{name}} --restart {policy} busybox sh -c 'exit 3'")
    wait_for(lambda: desk.inspect("State")["Status"] == "exited", what="the last restart")
    assert desk.inspect("RestartCount") == count


def test_a_user_who_stops_it_overrules_the_policy(desk: Desk) -> None:
    desk.docker("run -d --name {name} --restart always busybox sleep 1000")
    first = desk.inspect("State")["Pid"]
    desk.machine.sh(f"kill -9 {first}")
    wait_for(lambda: desk.inspect("State")["Pid"] not in (0, first), what="a new process")
    desk.docker("stop -t 0 {name}")
    assert desk.inspect("State")["Status"] == "exited"


def test_health(desk: Desk) -> None:
    check = "--health-cmd 'test -e /tmp/well' --health-interval 200ms --health-retries 2 --health-timeout 5s"
    desk.docker(f"run -d --name {{name}} {check} busybox sleep 1000")
    assert desk.inspect("State.Health")["Status"] == "starting"
    wait_for(lambda: desk.inspect("State.Health")["Status"] == "unhealthy", what="sickness")
    desk.docker("exec {name} touch /tmp/well")
    wait_for(lambda: desk.inspect("State.Health")["Status"] == "healthy", what="health")
    assert "(healthy)" in desk.docker("ps --filter health=healthy")


def test_names(desk: Desk) -> None:
    desk.docker("create --name {name} busybox true")
    assert 'The container name "/' in desk.docker("create --name {name} busybox true", code=1)
    desk.docker("rename {name} {name}2")
    assert desk.docker("inspect -f '{{.Name}}' {name}2") == f"/{desk.name}2\n"
    assert "Invalid container name" in desk.docker("create --name 'a b' busybox true", code=1)
    generated = desk.docker("create busybox true").strip()
    assert desk.docker(f"inspect -f '{{{{.Name}}}}' {generated}").count("_") == 1
    desk.docker(f"rm {generated}")


def test_limits_can_be_changed_while_it_runs(desk: Desk) -> None:
    desk.docker("run -d --name {name} busybox sleep 1000")
    desk.docker("update --memory 100m --memory-swap 200m --restart always {name}")
    assert desk.docker("exec {name} cat /sys/fs/cgroup/memory/memory.limit_in_bytes") == f"{100 << 20}\n"
    config = desk.inspect("HostConfig")
    assert (config["Memory"], config["RestartPolicy"]["Name"]) == (100 << 20, "always")


def test_events_in_their_order(desk: Desk) -> None:
    desk.docker("run --name {name} busybox true")
    desk.docker("rm {name}")
    said = desk.client().events(since=0, until=int(time.time()) + 1, filters={"container": desk.name}, decode=True)
    mine = [event for event in said if event["Type"] == "container"]
    assert [event["Action"] for event in mine] == ["create", "attach", "start", "die", "destroy"]
    assert mine[3]["Actor"]["Attributes"] == {
        "exitCode": "0",
        "execDuration": "0",
        "image": "busybox",
        "name": desk.name,
    }


def test_listing_and_its_filters(desk: Desk) -> None:
    desk.docker("run -d --name {name} --label tier=front -p 8180:80 busybox sleep 1000")
    for filters in ("label=tier=front", "status=running", f"name={desk.name}", "ancestor=busybox", "publish=8180"):
        assert desk.name in desk.docker(f"ps --filter {filters}"), filters
    for filters in ("label=tier=back", "status=exited", "name=nobody", "publish=81"):
        assert desk.name not in desk.docker(f"ps --filter {filters}"), filters
    assert "invalid filter 'foo'" in desk.docker("ps --filter foo=bar", code=1)
    assert desk.docker("ps -q --filter name={name} -s").strip()


def test_pruning_leaves_what_runs(desk: Desk) -> None:
    desk.docker("run -d --name {name} busybox sleep 1000")
    desk.docker("create --name {name}2 busybox true")
    assert "Total reclaimed space" in desk.docker("container prune -f")
    assert desk.docker("ps -a --format '{{.Names}}'") == f"{desk.name}\n"
