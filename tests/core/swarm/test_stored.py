"""Every noun of a swarm survives the store's codec."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from fairlead.core.swarm.changes import Thing
from fairlead.core.swarm.keys import rotate
from fairlead.engine import records
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import EndpointSpec, PortConfig, ServiceEndpoint, VirtualIp
from fairlead.model.swarm.files import FileSpec, Secret
from fairlead.model.swarm.node import ManagerStatus
from fairlead.model.swarm.service import UpdateConfig, UpdateStatus
from fairlead.model.swarm.states import TaskState
from tests.core.swarm.builders import CLUSTER, INGRESS, NOW, node, service, task

HERE = Attachment("over", (IPv4Interface("10.0.1.3/24"),), ("web",))
PORTS = (PortConfig(80, 8080),)
ENDPOINT = ServiceEndpoint(EndpointSpec(ports=PORTS), PORTS, (VirtualIp("over", IPv4Interface("10.0.1.2/24")),))
WEB = service(
    "web", 3, update=UpdateConfig(), update_status=UpdateStatus("paused", failures=("1",)), endpoint_given=ENDPOINT
)


@pytest.mark.parametrize(
    "thing",
    [
        rotate(CLUSTER, NOW, lambda: "00ff"),
        INGRESS,
        node("n1", labels={"zone": "a"}, manager=ManagerStatus(leader=True), attachments=(HERE,)),
        WEB,
        task("t1", WEB, state=TaskState.FAILED, attachments=(HERE,), endpoint=ENDPOINT, restarts=(1, 2)),
        Secret("s1", FileSpec("password", "aGVsbG8=")),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_written_is_read_again(thing: Thing) -> None:
    assert records.decode(type(thing), records.encode(thing)) == thing
