"""What a node that was taken over may say: nothing that is not of the right shape is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fairlead.engine.records import encode
from fairlead.engine.swarm.hearing import LONGEST_DESCRIPTION, check_manager, heard, heard_report, heard_session
from fairlead.engine.swarm.messages import JoinRequest, RenewRequest, Report, SessionRequest, TaskReport
from fairlead.engine.swarm.ports import Call
from fairlead.model.errors import Invalid
from fairlead.model.swarm.endpoint import PortConfig
from fairlead.model.swarm.node import NodeDescription, Platform, Plugin
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import ContainerStatus, TaskStatus

DESCRIPTION = NodeDescription(
    "web1", Platform("x86_64", "linux"), 10**9, 2**30, {"gpu": 1}, "1", {"a": "b"}, (Plugin("Network", "overlay"),)
)
SESSION = SessionRequest(DESCRIPTION, "a" * 32, "192.168.50.12", "fd00::12", "192.168.50.12:2377")


def call(body: bytes) -> Call:
    return Call("report", body, None, "192.168.50.12:40000")


def test_what_nodes_write_is_read() -> None:
    status = TaskStatus(TaskState.RUNNING, 1, 2, "started", "", ContainerStatus("c", 3), (PortConfig(80, 8080),))
    report = Report("a" * 32, (TaskReport("t", status),))
    assert heard(Report, call(encode(report))) == report
    assert heard_session(call(encode(SESSION))) == SESSION


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"csr": 7}',
        b'{"csr": null}',
        pytest.param(b'{"x": ' + b"[" * 100_000, id="deep"),
    ],
)
def test_what_is_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="report is not understood"):
        heard(RenewRequest, call(body))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("description", "hostname"), {"a": 1}),
        (("description", "memory"), 2**70),
        (("description", "labels"), ["x"]),
        (("description", "plugins"), [{"kind": 1}]),
        (("address",), "web1"),
        (("address",), "0.0.0.0"),
        (("data_address",), ""),
        (("data_address",), 7),
        (("data_address",), "239.1.1.1"),
        (("manager_address",), "192.168.50.12"),
        (("manager_address",), "web1:2377"),
        (("manager_address",), "192.168.50.12:99999"),
    ],
)
def test_a_session_begins_with_what_the_others_can_live_with(path: tuple[str, ...], value: object) -> None:
    said: dict[str, Any] = json.loads(encode(SESSION))
    part = said
    for step in path[:-1]:
        part = part[step]
    field = {"labels": "engine_labels"}.get(path[-1], path[-1])
    part[field] = value
    with pytest.raises(Invalid):
        heard_session(call(json.dumps(said).encode()))


@pytest.mark.parametrize("status", [{"at": 2**63}, {"started": -1}, {"container": {"pid": 2**80}}, {"state": 513}])
def test_a_report_has_numbers_that_clients_can_read(status: dict[str, object]) -> None:
    report = {"token": "a" * 32, "tasks": [{"task_id": "t", "status": status}]}
    with pytest.raises(Invalid):
        heard_report(call(json.dumps(report).encode()))


def test_a_description_is_short() -> None:
    long = replace(SESSION, description=NodeDescription("x" * LONGEST_DESCRIPTION))
    with pytest.raises(Invalid, match="65536 bytes at most"):
        heard_session(call(encode(long)))


def test_a_request_to_join_has_words() -> None:
    with pytest.raises(Invalid):
        heard(JoinRequest, call(b'{"token": "x", "csr": "y", "availability": 1}'))


@pytest.mark.parametrize("address", ["", "192.168.50.12", ":2377", "a:1", "192.168.50.12:0", "[::]:2377"])
def test_managers_are_at_addresses_with_ports(address: str) -> None:
    with pytest.raises(Invalid):
        check_manager(address)
    check_manager("[fd00::1]:2377")
