"""Whatever a client sends, the answer is Docker's kind of answer, and what it did not get is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fairlead.api.schema.container import ContainerCreate, ContainerUpdate, ExecCreate
from fairlead.api.schema.network import NetworkConnect, NetworkCreate
from fairlead.api.schema.service import ServiceSpecBody
from fairlead.api.schema.swarm_file import FileBody
from fairlead.lab.machine import Machine
from tests.chaos.api import Api, Refused
from tests.support.bodies import WORDS, bodies
from tests.support.images import provide
from tests.support.machines import machine, missing_requirements, wait_for

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing_requirements()), reason=missing_requirements() or "-")]

MANY = settings(
    max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
LEFT = "ip -br link | cut -d' ' -f1; nft list table inet fairlead; docker ps -aq; docker network ls; docker service ls"
STATUSES = {400, 403, 404, 409, 500, 501, 503}
READS = (
    *("/containers/json", "/containers/{}/json", "/containers/{}/top", "/containers/{}/logs", "/containers/{}/archive"),
    *("/images/json", "/images/{}/json", "/images/{}/history", "/networks", "/networks/{}", "/volumes", "/volumes/{}"),
    *("/services", "/services/{}", "/tasks", "/tasks/{}", "/nodes", "/nodes/{}", "/secrets", "/configs/{}", "/swarm"),
    *("/exec/{}/json", "/system/df", "/plugins", "/info", "/version"),
)
PARAMETERS = (
    *("all", "filters", "limit", "since", "until", "tail", "stdout", "timestamps", "size", "ps_args", "path"),
    *("digests", "type", "verbose", "scope", "insertDefaults", "status"),
)
VALUES = (
    *WORDS,
    "99999999999999999999",
    "[" * 3000,
    '{"name":["x"]}',
    '{"name":{"x":1}}',
    '{"until":["x"]}',
    "{}",
    "null",
)
Body = dict[str, Any]


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with machine() as found:
        provide(found, "busybox")
        found.sh("docker swarm init && docker network create net1 && docker run -d --name c1 --net net1 busybox top")
        yield found


@pytest.fixture
def api(host: Machine) -> Iterator[Api]:
    """After the test there is what was there before it, and the daemon has met nothing that it did not foresee."""
    before = left(host)
    yield Api(host.socket)
    wait_for(lambda: left(host) == before, what="everything else to be gone")
    assert "Traceback" not in (host.directory / "daemon.log").read_text()


def left(host: Machine) -> str:
    return host.sh(LEFT).stdout


def answer(api: Api, verb: str, path: str, body: Body | None = None) -> Any:
    """What is answered; None where it was refused as Docker refuses."""
    try:
        return api.call(verb, path, body)
    except Refused as refused:
        status, message = refused.status, refused.message
    assert status in STATUSES, f"{status} for {json.dumps(body)}"
    assert message, f"{status} without a reason for {json.dumps(body)}"
    assert not message.startswith("internal error"), f"{message} for {json.dumps(body)}"
    return None


def with_image(body: Body, *path: str) -> Body:
    """The body with an image that is there."""
    if not path:
        return {**body, "Image": "busybox"}
    inner = body.get(path[0])
    return {**body, path[0]: with_image(inner if isinstance(inner, dict) else {}, *path[1:])}


def test_networks(api: Api) -> None:
    @MANY
    @given(bodies(NetworkCreate), st.booleans())
    def asked(body: Body, named: bool) -> None:
        made = answer(api, "POST", "/networks/create", {**body, "Name": "other"} if named else body)
        if made:
            answer(api, "GET", f"/networks/{made['Id']}")
            api.delete(f"/networks/{made['Id']}")

    asked()


def test_connections(api: Api) -> None:
    other = api.create("c2", {"Image": "busybox", "Cmd": ["top"]})

    @MANY
    @given(bodies(NetworkConnect), st.booleans())
    def asked(body: Body, named: bool) -> None:
        answer(api, "POST", "/networks/net1/connect", {**body, "Container": other} if named else body)
        answer(api, "POST", "/networks/net1/disconnect", {"Container": other, "Force": True})

    asked()
    api.delete(f"/containers/{other}?force=1")


def test_containers(api: Api) -> None:
    @MANY
    @given(bodies(ContainerCreate))
    def asked(body: Body) -> None:
        made = answer(api, "POST", "/containers/create", with_image(body))
        if made:
            answer(api, "GET", f"/containers/{made['Id']}/json")
            answer(api, "POST", f"/containers/{made['Id']}/start")
            api.delete(f"/containers/{made['Id']}?force=1&v=1")

    asked()


@pytest.mark.parametrize(("kind", "path"), [(ContainerUpdate, "update"), (ExecCreate, "exec")])
def test_changes_of_containers(api: Api, kind: Any, path: str) -> None:
    other = api.create("c2", {"Image": "busybox", "Cmd": ["top"]})

    @MANY
    @given(bodies(kind))
    def asked(body: Body) -> None:
        answer(api, "POST", f"/containers/{other if path == 'update' else 'c1'}/{path}", body)

    asked()
    answer(api, "POST", f"/containers/{other}/update", {"DeviceRequests": [[False]]})
    api.delete(f"/containers/{other}?force=1")


def test_services(api: Api) -> None:
    @MANY
    @given(bodies(ServiceSpecBody))
    def asked(body: Body) -> None:
        made = answer(api, "POST", "/services/create", with_image(body, "TaskTemplate", "ContainerSpec"))
        if made:
            answer(api, "GET", f"/services/{made['ID']}")
            api.delete(f"/services/{made['ID']}")

    asked()


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_files_of_a_swarm(api: Api, kind: str) -> None:
    @MANY
    @given(bodies(FileBody), bodies(FileBody))
    def asked(body: Body, later: Body) -> None:
        made = answer(api, "POST", f"/{kind}/create", body)
        if made:
            version = answer(api, "GET", f"/{kind}/{made['ID']}")["Version"]["Index"]
            answer(api, "POST", f"/{kind}/{made['ID']}/update?version={version}", later)
            api.delete(f"/{kind}/{made['ID']}")

    asked()


def test_questions(api: Api) -> None:
    @settings(MANY, max_examples=150)
    @given(
        st.sampled_from(READS),
        st.sampled_from(WORDS),
        st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(VALUES), max_size=4),
    )
    def asked(path: str, word: str, query: dict[str, str]) -> None:
        answer(api, "GET", f"{path.format(quote(word, safe=''))}?{urlencode(query)}")

    asked()
