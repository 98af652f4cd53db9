"""Waiting for a service to be as it was asked for, and telling how far it is.

Asked are the service and those of its tasks that are up to date. On a terminal the picture is drawn anew in place;
elsewhere a line is written when it says something new.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import click

from fairlead.cli.client import Client
from fairlead.cli.faults import Fault
from fairlead.cli.fields import Json, mapping, number, text
from fairlead.cli.rows import natural

PAUSE = 0.2
MONITOR = 5.0
MOST_LINES = 20


def wait_for(client: Client, service_id: str, quiet: bool) -> None:
    """Returns when the service converged and stayed so for its monitoring period, be it to what it was before. Raises
    Fault when its update was paused."""
    picture = _Picture(quiet)
    try:
        _Waiting(client, service_id, picture).run()
    except KeyboardInterrupt:
        click.echo(f"Operation continuing in background.\nUse `fairlead service ps {service_id}` to check progress.")


@dataclass(slots=True)
class _Waiting:
    client: Client
    service_id: str
    picture: _Picture
    since: float = 0.0
    rollback: str = ""

    def run(self) -> None:
        while True:
            service = self.client.get_object(f"/services/{self.service_id}")
            if self._step(service):
                break
            time.sleep(PAUSE)

    def _step(self, service: Json) -> bool:
        """Is it done?"""
        moving = self._check_update(mapping(service, "UpdateStatus"))
        wish = {"service": [self.service_id], "_up-to-date": ["true"]}
        tasks = self.client.get_list("/tasks", {"filters": json.dumps(wish)})
        progress = progress_of(service, tasks)
        if progress.job:
            self.picture.draw(progress.lines(), "job complete" if progress.done else "")
            return progress.done
        if not progress.done or moving:
            self.since = 0.0
            self.picture.draw([*progress.lines(), *self._told()], "")
            return False
        self.since = self.since or time.monotonic()
        config = "RollbackConfig" if self.rollback else "UpdateConfig"
        monitor = number(service, "Spec", config, "Monitor") / 1e9 or MONITOR
        left = monitor - (time.monotonic() - self.since)
        if left <= 0:
            self.picture.draw([*progress.lines(), *self._told()], f"verify: Service {self.service_id} converged")
            return True
        waiting = f"verify: Waiting {int(left) + 1} seconds to verify that tasks are stable..."
        self.picture.draw(progress.lines(), waiting)
        return False

    def _check_update(self, status: Json) -> bool:
        """Is an update going on? Raises Fault when it was paused."""
        state, message = text(status, "State"), text(status, "Message")
        if state in ("paused", "rollback_paused"):
            word = "rollback" if state == "rollback_paused" else "update"
            raise Fault(f"service {word} paused: {message}")
        if state == "rollback_started" or (self.rollback and state == "rollback_completed"):
            self.rollback = message
        return state in ("updating", "rollback_started")

    def _told(self) -> list[str]:
        return [f"rollback: {self.rollback}"] if self.rollback else []


@dataclass(frozen=True, slots=True)
class Progress:
    """`places` is what to say of each place, by its name; `running` of `total` are as wanted."""

    running: int
    total: int
    places: dict[str, str] = field(default_factory=dict)
    job: bool = False

    @property
    def done(self) -> bool:
        return self.running >= self.total

    def lines(self) -> list[str]:
        head = (
            f"job progress: {self.running} out of {self.total} complete"
            if self.job
            else f"overall progress: {self.running} out of {self.total} tasks"
        )
        shown = sorted(self.places, key=natural) if self.total <= MOST_LINES else []
        return [head, *(f"{name}: {self.places[name]}" for name in shown)]


def progress_of(service: Json, tasks: Iterable[Json]) -> Progress:
    """For which nodes a global service is meant, its tasks themselves tell."""
    mode = mapping(service, "Spec", "Mode")
    job = "ReplicatedJob" in mode
    newest = _newest(tasks, numbered_from_0=job)
    if "Replicated" in mode:
        total = number(mode, "Replicated", "Replicas")
        places = {f"{slot}/{total}": _said(newest.get(str(slot))) for slot in range(1, total + 1)}
        return Progress(_count(newest, "running", total), total, places)
    if job:
        total = number(mode, "ReplicatedJob", "TotalCompletions")
        places = {f"{slot}/{total}": _said(newest.get(str(slot))) for slot in range(1, total + 1)}
        return Progress(_count(newest, "complete", total), total, places, job=True)
    wanted = {text(task, "NodeID") for task in newest.values()}
    places = {node_id: _said(newest.get(node_id)) for node_id in wanted}
    job = "GlobalJob" in mode
    return Progress(_count(newest, "complete" if job else "running"), max(1, len(wanted)), places, job)


def _newest(tasks: Iterable[Json], numbered_from_0: bool) -> dict[str, Json]:
    """The last task of each place that is still wanted, or has ended last."""
    newest: dict[str, Json] = {}
    for task in sorted(tasks, key=lambda task: text(task, "CreatedAt")):
        if (
            text(task, "DesiredState") in ("running", "ready", "complete")
            or text(task, "Status", "State") == "complete"
        ):
            slot = number(task, "Slot") + numbered_from_0
            newest[str(slot or text(task, "NodeID"))] = task
    return newest


def _count(tasks: dict[str, Json], state: str, total: int | None = None) -> int:
    """Those of the wanted slots."""
    return sum(
        text(task, "Status", "State") == state
        for place, task in tasks.items()
        if total is None or (place.isdecimal() and int(place) <= total)
    )


def _said(task: Json | None) -> str:
    return "" if task is None else text(task, "Status", "Err") or text(task, "Status", "State")


class _Picture:
    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._moves = sys.stdout.isatty()
        self._drawn: list[str] = []

    def draw(self, lines: list[str], last: str) -> None:
        shown = [*lines, last] if last else lines
        if self._quiet or shown == self._drawn:
            return
        if self._moves:
            up = f"\x1b[{len(self._drawn)}A" if self._drawn else ""
            blank = [""] * (len(self._drawn) - len(shown))
            sys.stdout.write(up + "".join(f"\r\x1b[2K{line}\n" for line in [*shown, *blank]))
            self._drawn = [*shown, *blank]
        else:
            before = set(self._drawn)
            sys.stdout.write("".join(f"{line}\n" for line in shown if line not in before))
            self._drawn = shown
        sys.stdout.flush()
