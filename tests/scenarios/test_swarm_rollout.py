"""Ten tasks replaced, rolled back, given up and moved while users ask them: no request fails.

outside (192.168.50.1: asks every node's published port)
    │
── lan 192.168.50.0/24 ──┬── manager (.11)  its container `client` asks by the service's name
                         └── worker1, worker2 (.12, .13)

Some requests take a while: a task that shall go is sent nobody any more for a moment before it is asked to stop.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import OUTSIDE, simple
from tests.support import images
from tests.support.machines import docker, laboratory, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements())]

REPLICAS, PORT = 10, 8080
ROLES = {"manager": "manager", "worker1": "worker", "worker2": "worker"}
CONVERGED = 240
"""Seconds that an update of all tasks may take on a crowded machine."""
_SERVE = """#!/bin/sh
echo "$VERSION" > /www/version
trap 'kill $!; exit 0' TERM
httpd -f -p [::]:80 -h /www &
wait $!
"""
_SLOW = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
sleep 0.5
echo slow
"""
IMAGE = images.StandIn(
    "rolling", {"/bin/serve": _SERVE, "/www/cgi-bin/slow.cgi": _SLOW, "/www/version": ""}, ('CMD ["/bin/serve"]',)
)
_BY_PORT = """
import collections, http.client, sys, time
hosts, said = sys.argv[3:], collections.Counter()
print("asking", flush=True)
number = 0
while open(sys.argv[1]).read() != "stop":
    number += 1
    path = "/cgi-bin/slow.cgi" if number % 20 == 0 else "/version"
    try:
        asked = http.client.HTTPConnection(hosts[number % len(hosts)], int(sys.argv[2]), timeout=10)
        asked.request("GET", path)
        answer = asked.getresponse()
        said[f"{answer.status} {answer.read().decode().strip()}"] += 1
        asked.close()
    except Exception as error:
        said[f"{time.strftime('%H:%M:%S')} {hosts[number % len(hosts)]}{path}: {error!r}"] += 1
    time.sleep(0.01)
for line, times in said.items():
    print(times, line)
"""
_BY_NAME = """
number=0
while [ ! -e /stop ]; do
    number=$((number + 1))
    path=version
    [ $((number % 20)) = 0 ] && path=cgi-bin/slow.cgi
    said=$(timeout 10 wget -q -O - http://web/$path 2>&1) && echo "200 $said" || echo "$(date +%T) $path: $said"
    usleep 10000
done
echo over
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory(simple(list(ROLES), roles=ROLES)) as made:
        made.form_swarm()
        content = images.archive_of(IMAGE)
        for host in made.hosts():
            images.load(host, IMAGE, content)
        images.provide(made.host("manager"), "busybox")
        made.host("manager").docker("network create -d overlay --attachable net")
        yield made


@pytest.fixture
def manager(lab: Laboratory) -> Iterator[Machine]:
    """With the service `web`, all of whose tasks are version 1."""
    found = lab.host("manager")
    found.docker(
        f"service create -q --name web --replicas {REPLICAS} --network net -p {PORT}:80 --env VERSION=1"
        " --health-cmd 'wget -q -O /dev/null http://127.0.0.1/version' --health-interval 300ms --health-retries 2"
        " --update-order start-first --update-parallelism 2 --update-monitor 500ms"
        " --rollback-order start-first --rollback-parallelism 0 --rollback-monitor 500ms rolling",
        CONVERGED,
    )
    for host in lab.hosts():
        wait_for(partial(answers, host), 60, f"the port to answer on {host.name}")
    yield found
    found.docker("service rm web")
    wait_for(lambda: not found.docker("ps -q --filter name=web."), 120, "the tasks to be gone")


def answers(host: Machine) -> bool:
    return host.sh(f"curl -s -m 3 http://{host.address}:{PORT}/version", check=False).stdout.strip() == "1"


@dataclass
class Load:
    """What was answered how often, by way: "name" and "port". Counted when the load is over."""

    said: dict[str, Counter[str]] = field(default_factory=dict)

    def check(self, *versions: str) -> None:
        """Every request was answered, by tasks of these versions, all of which were met."""
        right = {f"200 {version}" for version in (*versions, "slow")}
        for way, said in self.said.items():
            failed = {line: times for line, times in said.items() if line not in right}
            assert not failed, f"by {way}, beside {said.total() - sum(failed.values())} that were answered: {failed}"
            assert set(said) == right, way
        print({way: dict(said) for way, said in self.said.items()})


@contextmanager
def load(lab: Laboratory) -> Iterator[Load]:
    """Users ask by both ways all the time."""
    manager, made = lab.host("manager"), Load()
    note = lab.directory / "note"
    note.write_text("go on")
    command = [sys.executable, "-c", _BY_PORT, str(note), str(PORT), *(host.address for host in lab.hosts())]
    script = lab.directory / "ask.sh"
    script.write_text(_BY_NAME)
    manager.docker(f"run -d --name client --net net -v {script}:/ask.sh busybox sh /ask.sh")
    try:
        with subprocess.Popen(lab.node(OUTSIDE).inside(command), stdout=subprocess.PIPE, text=True) as outside:
            assert outside.stdout is not None
            outside.stdout.readline()
            try:
                wait_for(lambda: "200" in manager.docker("logs client"), 30, "the client to be answered")
                yield made
            finally:
                note.write_text("stop")
                lines = outside.stdout.read().splitlines()
            made.said["port"] = Counter({line.partition(" ")[2]: int(line.split()[0]) for line in lines})
        manager.docker("exec client touch /stop")
        wait_for(lambda: manager.docker("logs client").endswith("over"), 20, "the client to end")
        made.said["name"] = Counter(manager.docker("logs client").splitlines()[:-1])
    finally:
        manager.docker("rm -f client")


def running(manager: Machine) -> list[Any]:
    tasks = manager.call("GET", '/tasks?filters={"service":["web"],"desired-state":["running"]}')
    assert isinstance(tasks, list)
    return [task for task in tasks if task["Status"]["State"] == "running"]


def versions(manager: Machine) -> Counter[str]:
    return Counter(task["Spec"]["ContainerSpec"]["Env"][0] for task in running(manager))


def update_state(manager: Machine) -> str:
    said = json.loads(manager.docker("service inspect --format '{{json .UpdateStatus}}' web"))
    return str(said["State"])


def test_no_request_fails_while_all_tasks_are_replaced(lab: Laboratory, manager: Machine) -> None:
    with load(lab) as asked:
        manager.docker("service update -q --env-rm VERSION --env-add VERSION=2 web", CONVERGED)
        assert versions(manager) == {"VERSION=2": REPLICAS}
    asked.check("1", "2")
    assert update_state(manager) == "completed"


def test_an_update_that_fails_is_rolled_back_and_nobody_notices(lab: Laboratory, manager: Machine) -> None:
    before = {task["ID"] for task in running(manager)}
    with load(lab) as asked:
        docker(
            manager,
            "service update -q --env-rm VERSION --env-add VERSION=2 --health-cmd false --health-start-period 0s"
            " --update-failure-action rollback web",
            CONVERGED,
        )
        wait_for(lambda: update_state(manager) == "rollback_completed", CONVERGED, "the rollback")
        wait_for(lambda: versions(manager) == {"VERSION=1": REPLICAS}, 60, "all to be of the old version")
    asked.check("1")
    assert len(before & {task["ID"] for task in running(manager)}) >= REPLICAS - 2, "what worked was let alone"
    command = manager.docker("service inspect --format '{{json .Spec.TaskTemplate.ContainerSpec.Healthcheck}}' web")
    assert "127.0.0.1/version" in command


def test_no_request_fails_while_tasks_are_given_up_and_made(lab: Laboratory, manager: Machine) -> None:
    with load(lab) as asked:
        manager.docker("service scale web=3", CONVERGED)
        wait_for(lambda: len(running(manager)) == 3, 90)
        wait_for(lambda: sum(len(containers(host)) for host in lab.hosts()) == 3, 90, "seven to be stopped")
        manager.docker(f"service scale web={REPLICAS}", CONVERGED)
    asked.check("1")


def containers(host: Machine) -> list[str]:
    return host.docker("ps -q --filter name=web.").split()


def test_no_request_fails_while_a_node_is_drained(lab: Laboratory, manager: Machine) -> None:
    try:
        with load(lab) as asked:
            manager.docker("node update --availability drain worker1")
            wait_for(lambda: not containers(lab.host("worker1")), 120, "worker1 to be empty")
            wait_for(lambda: len(running(manager)) == REPLICAS, 120, "all to run elsewhere")
        asked.check("1")
    finally:
        manager.docker("node update --availability active worker1")
