"""How far a service is, told from its tasks; and tasks as rows with their history."""

from __future__ import annotations

from typing import cast

from fairlead.cli.client import Client
from fairlead.cli.command import Flags
from fairlead.cli.converge import progress_of
from fairlead.cli.fields import Json
from fairlead.cli.task_rows import tasks_text


def task(slot: int, state: str, desired: str = "running", created: str = "1", **over: object) -> Json:
    status = {"State": state, **({"Err": over.pop("error")} if "error" in over else {})}
    when = f"2026-11-21T08:00:0{created}Z"
    return {
        "ID": f"t{slot}{created}",
        "Slot": slot,
        "Status": status,
        "DesiredState": desired,
        "CreatedAt": when,
        **over,
    }


def service(mode: Json) -> Json:
    return {"Spec": {"Mode": mode}}


def test_replicas_are_counted_by_slot() -> None:
    progress = progress_of(
        service({"Replicated": {"Replicas": 2}}),
        [task(1, "failed", "shutdown"), task(1, "running", created="2"), task(2, "preparing"), task(3, "running")],
    )
    assert (progress.running, progress.total, progress.done) == (1, 2, False)
    assert progress.lines() == ["overall progress: 1 out of 2 tasks", "1/2: running", "2/2: preparing"]


def test_a_service_without_replicas_is_done() -> None:
    assert progress_of(service({"Replicated": {"Replicas": 0}}), []).done


def test_why_a_task_does_not_run_is_told_in_its_place() -> None:
    progress = progress_of(service({"Replicated": {"Replicas": 1}}), [task(1, "pending", error="no suitable node")])
    assert progress.lines()[1] == "1/1: no suitable node"


def test_more_than_twenty_places_are_not_listed() -> None:
    assert len(progress_of(service({"Replicated": {"Replicas": 21}}), []).lines()) == 1


def test_a_job_is_done_when_its_tasks_have_completed() -> None:
    wish = service({"ReplicatedJob": {"TotalCompletions": 2}})
    done, running = task(0, "complete", "complete"), task(1, "running", "complete")
    assert progress_of(wish, [done, running]).lines()[1:] == ["1/2: complete", "2/2: running"]
    assert not progress_of(wish, [done, running]).done
    assert progress_of(wish, [done, task(1, "complete", "complete")]).lines()[0] == "job progress: 2 out of 2 complete"


def test_a_global_service_waits_for_the_nodes_that_have_its_tasks() -> None:
    tasks = [task(0, "running", NodeID="n1"), task(0, "starting", NodeID="n2")]
    progress = progress_of(service({"Global": {}}), tasks)
    assert (progress.running, progress.total) == (1, 2)
    assert not progress_of(service({"Global": {}}), []).done


def test_rows_show_the_newest_of_a_place_first_and_its_history_below() -> None:
    tasks = [
        task(slot, "running", created=created, ServiceID="web") for slot, created in ((10, "1"), (2, "1"), (2, "3"))
    ]
    flags: Json = {"no_resolve": True, "no_trunc": False, "quiet": False, "template": ""}
    lines = tasks_text(cast(Client, None), tasks, Flags(flags)).splitlines()
    assert [line.split("   ")[0].split()[-1] if "\\_" not in line else "\\_" for line in lines[1:]] == [
        "t23",
        "\\_",
        "t101",
    ]
    assert tasks_text(cast(Client, None), tasks, Flags({**flags, "quiet": True})).split() == ["t23", "t21", "t101"]
