"""A swarm of machines for tests that break it, and the witness of what ran in which place when.

Every task of a service made by `wish` takes a lock of its place (service and slot) as its first act and holds it until
its process is gone: the kernel judges whether two of them ever ran at once, whatever daemons believe. All hosts of
a lab share this kernel and its clock, so one file has the whole story.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fairlead.lab.laboratory import Laboratory
from fairlead.lab.machine import Machine
from fairlead.lab.topology import simple
from tests.chaos.api import Api, Gone, Refused
from tests.support import images
from tests.support.machines import laboratory, wait_for

PATIENCE = 8.0
"""Seconds that a daemon has for a verb before its client takes it for gone: it may be paused, or cut off."""
_WITNESS = """#!/bin/sh
now() { read -r up _ < /proc/uptime; echo "$up"; }
exec 9>> "/witness/$PLACE"
if flock -n 9; then word=starts; else word=overlaps; fi
echo "$(now) $word $PLACE $TASK $NODE" >> /witness/story
hostname > /tmp/index.html
exec httpd -f -p [::]:80 -h /tmp
"""
WITNESS = images.StandIn("witness", {"/bin/witness": _WITNESS}, ('CMD ["/bin/witness"]',), ["/usr/bin/flock"])
_LOST = re.compile(r'time=(\S+) .*"a node is lost" part=swarm\.dispatcher node=(\S+)')


@dataclass(frozen=True, slots=True)
class Turn:
    """A task began. `alone` when nothing else ran in its place; `at` seconds since the machine started."""

    at: float
    alone: bool
    place: str
    task: str
    node: str


class Swarm:
    """`managers` and `workers` of a lab whose hosts are one swarm and have the image `witness`."""

    def __init__(self, lab: Laboratory) -> None:
        self.lab = lab
        self.managers = [host for host in lab.hosts() if host.host.role == "manager"]
        self.workers = [host for host in lab.hosts() if host.host.role == "worker"]
        self.folder = lab.directory / "witness"
        self.folder.mkdir()

    @property
    def hosts(self) -> list[Machine]:
        return [*self.managers, *self.workers]

    def api(self, host: Machine) -> Api:
        return Api(host.socket, PATIENCE)

    def nodes(self, through: Machine) -> Mapping[str, Any]:
        """By host name; {} while that manager cannot tell."""
        try:
            return {node["Description"]["Hostname"]: node for node in self.api(through).get("/nodes")}
        except (Refused, Gone):
            return {}

    def leader(self) -> Machine:
        """Who leads, as any manager says whose word is of use."""
        found: list[str] = []

        def known() -> bool:
            for host in self.managers:
                nodes = self.nodes(host)
                found[:] = [name for name, node in nodes.items() if node.get("ManagerStatus", {}).get("Leader")]
                if found and nodes[found[0]]["Status"]["State"] == "ready":
                    return True
            return False

        wait_for(known, 30, "a leader to be known")
        return self.lab.host(found[0])

    def whole(self, through: Machine | None = None) -> bool:
        """Are all hosts ready, one leading and the other managers reachable?"""
        nodes = self.nodes(through or self.managers[0])
        ready = [node for node in nodes.values() if node["Status"]["State"] == "ready"]
        seats = [node["ManagerStatus"] for node in ready if "ManagerStatus" in node]
        return (
            len(ready) == len(self.hosts) == len(nodes)
            and len(seats) == len(self.managers)
            and all(seat["Reachability"] == "reachable" for seat in seats)
            and sum(seat.get("Leader", False) for seat in seats) == 1
        )

    def running(self, through: Machine, service: str) -> int:
        """How many tasks of the service run, as far as that manager knows; -1 when it cannot tell."""
        try:
            tasks = self.api(through).get(f'/tasks?filters={{"service":["{service}"],"desired-state":["running"]}}')
        except (Refused, Gone):
            return -1
        return sum(task["Status"]["State"] == "running" for task in tasks)

    def tasks_on(self, host: Machine) -> list[str]:
        """Ids of the tasks whose containers run on that host, as it says."""
        listed = self.api(host).get("/containers/json")
        return [one["Labels"][TASK_LABEL] for one in listed if TASK_LABEL in one["Labels"]]

    # --- what the witness says ------------------------------------------------------------------

    def story(self) -> list[Turn]:
        path = self.folder / "story"
        lines = path.read_text().splitlines() if path.exists() else []
        words = (line.split() for line in lines)
        return [Turn(float(at), word == "starts", place, task, node) for at, word, place, task, node in words]

    def lost(self) -> list[tuple[float, str]]:
        """When managers declared which host lost (seconds since the machine started), by their logs."""
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        names: dict[str, str] = {}
        for through in self.managers:
            names |= {node["ID"]: name for name, node in self.nodes(through).items()}
        found = []
        for host in self.managers:
            for line in host.log.read_text(errors="replace").splitlines():
                if (match := _LOST.search(line)) is not None:
                    at = datetime.fromisoformat(match[1]).timestamp() - booted
                    found.append((at, names.get(match[2], match[2])))
        return found

    def intruders(self) -> list[str]:
        """Tasks that began in a place where another still ran, though nobody had declared the node of either lost."""
        story, lost = self.story(), self.lost()
        wrong = []
        for number, turn in enumerate(story):
            if turn.alone:
                continue
            others = [one for one in story[:number] if one.place == turn.place and one.task != turn.task]
            if not any(_excused(turn, one, lost) for one in others):
                told = [(at, node) for at, node in lost if turn.at - 30 < at <= turn.at]
                wrong.append(f"{turn} while another ran; before: {others[-3:]}, lost: {told}")
        return wrong


def _excused(turn: Turn, other: Turn, lost: Sequence[tuple[float, str]]) -> bool:
    """Was the other's node declared lost while the other ran? Or the turn's own, before the other took its place: what
    it was told to begin before it fell silent, it may begin when it comes to itself."""
    return any(
        (node == other.node and other.at - SLACK <= at <= turn.at + SLACK)
        or (node == turn.node and turn.at - LATE <= at <= other.at + SLACK)
        for at, node in lost
    )


LATE = 30.0
TASK_LABEL = "com.docker.swarm.task.id"
SLACK = 0.05
"""Seconds by which the clocks of the witness and of logs differ."""


@contextmanager
def swarm(managers: int = 3, workers: int = 2, flags: Sequence[str] = ()) -> Iterator[Swarm]:
    roles = {f"manager{number + 1}": "manager" for number in range(managers)}
    roles |= {f"worker{number + 1}": "worker" for number in range(workers)}
    with laboratory(simple(list(roles), roles=roles), flags) as lab:
        lab.form_swarm()
        content = images.archive_of(WITNESS)
        for host in lab.hosts():
            images.load(host, WITNESS, content)
        made = Swarm(lab)
        wait_for(made.whole, 30, "all to be ready")
        yield made


def wish(
    name: str,
    witness: Path,
    replicas: int = 1,
    *,
    networks: Sequence[str] = (),
    port: int = 0,
    revision: int = 0,
) -> dict[str, Any]:
    """A service whose tasks are witnessed in `witness`. Killed without grace, since it answers no signal."""
    template = {
        "ContainerSpec": {
            "Image": "witness",
            "Env": [
                "PLACE={{.Service.Name}}.{{.Task.Slot}}",
                "TASK={{.Task.ID}}",
                "NODE={{.Node.Hostname}}",
                f"REVISION={revision}",
            ],
            "Mounts": [{"Type": "bind", "Source": str(witness), "Target": "/witness"}],
            "StopSignal": "SIGKILL",
        },
        "RestartPolicy": {"Condition": "any", "Delay": 500_000_000},
        "Networks": [{"Target": network} for network in networks],
    }
    ports = [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": port}] if port else []
    return {
        "Name": name,
        "TaskTemplate": template,
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": {"Parallelism": 2, "Monitor": 500_000_000},
        "EndpointSpec": {"Mode": "vip", "Ports": ports},
    }
