"""What dockerd 28 refused of services, tasks and swarm networks, asked of Fairlead: the same statuses and words.

Ids are told apart by the names of what they belong to, in the recording and here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.lab.machine import Machine
from tests.conformance.replay import UnixConnection, recording
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements() or "-")]

BEFORE = [
    "docker swarm init",
    "docker network create -d overlay o1",
    "docker network create b1",
    "docker service create -q -d --no-resolve-image --name s1 --network o1 busybox sleep 1000",
    "docker service create -q -d --no-resolve-image --name p1 -p 9000:80 busybox sleep 1000",
]

ACCEPTED = {
    r"POST /services/create .*\{bad": "what is wrong with JSON is said in the words of another parser",
}
"""Where only the status is compared, with the reason."""

_ID = re.compile(r"\b[0-9a-z]{25}\b")


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with machine() as found:
        provide(found, "busybox")
        for line in BEFORE:
            found.sh(line)
        yield found


def ask(host: Machine, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = UnixConnection(host.socket)
    try:
        sent = body if isinstance(body, str) else None if body is None else json.dumps(body)
        headers = {} if sent is None else {"Content-Type": "application/json"}
        connection.request(method, f"/v1.50{path}", sent, headers)
        answer = connection.getresponse()
        read = answer.read()
        return answer.status, json.loads(read) if read else None
    finally:
        connection.close()


def names(host: Machine) -> dict[str, str]:
    """What the ids of networks and services are called."""
    networks, services = ask(host, "GET", "/networks")[1], ask(host, "GET", "/services")[1]
    return {one["Id"]: one["Name"] for one in networks} | {one["ID"]: one["Spec"]["Name"] for one in services}


@pytest.mark.parametrize("step", recording("swarm-refusals"))
def test_it_is_refused_as_dockerd_refuses_it(host: Machine, step: dict[str, Any]) -> None:
    version = str(ask(host, "GET", "/services/s1")[1]["Version"]["Index"])
    status, answer = ask(host, step["method"], step["path"].replace("<version>", version), step["body"])
    assert status == step["status"]
    if any(re.search(accepted, f"{step['method']} {step['path']} {json.dumps(step['body'])}") for accepted in ACCEPTED):
        return
    known = names(host)
    assert _ID.sub(lambda found: known.get(found[0], found[0]), answer["message"]) == step["message"]
