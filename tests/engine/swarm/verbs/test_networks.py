"""Networks of the swarm: what managers make, find and remove, and what others are told."""

from __future__ import annotations

import asyncio
import os
from ipaddress import ip_interface

import pytest

from fairlead.core.swarm.changes import Put
from fairlead.effects.clock import SystemEntropy
from fairlead.engine.swarm.networks import predefined
from fairlead.model.errors import Conflict, Invalid, NotAllowed, NotFound, Refusal
from fairlead.model.network import Network, NetworkSpec, PoolRequest
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.service import ServiceSpec
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import ContainerTemplate, NetworkAttachmentSpec, TaskTemplate
from tests.engine.swarm.verbs.seats import OUTSIDE, WORKER, Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def overlay(name: str = "front", **over: object) -> NetworkSpec:
    return NetworkSpec(name, driver="overlay", **over)  # type: ignore[arg-type]


async def test_of_a_service_and_the_removal_of_its_network_at_once_only_one_succeeds(
    swarm: Place, other: Place
) -> None:
    template = TaskTemplate(ContainerTemplate("busybox"), networks=(NetworkAttachmentSpec("front"),))
    outcomes = []
    for number in range(20):
        await swarm.networks.create(overlay())
        await other.mirror.refresh()
        making = asyncio.create_task(swarm.services.create(ServiceSpec(f"s{number}", template)))
        removing = asyncio.create_task(other.networks.remove("front"))
        made, removed = await asyncio.gather(making, removing, return_exceptions=True)
        outcomes.append((isinstance(made, NotFound), isinstance(removed, Refusal)))
        if not isinstance(made, NotFound):
            await other.services.remove(f"s{number}")
            await other.networks.remove("front")
        await swarm.mirror.refresh()
    assert set(outcomes) <= {(True, False), (False, True)}, "one, and not both"


async def test_a_network_is_made_and_found(swarm: Place) -> None:
    network_id = await swarm.networks.create(overlay())
    assert swarm.networks.find("front").id == swarm.networks.find(network_id[:7]).id == network_id
    assert [network.spec.scope for network in swarm.networks.list()] == ["swarm"]


@pytest.mark.parametrize(
    ("spec", "refusal", "words"),
    [
        (overlay(""), Invalid, "name is empty"),
        (overlay("bridge"), NotAllowed, "predefined bridge network"),
        (overlay("n", pools=(PoolRequest("foo"),)), Invalid, "invalid subnet foo"),
        (overlay("n", pools=(PoolRequest("10.1.0.5/24"),)), Invalid, "it should be 10.1.0.0/24"),
        (overlay("n", ipam_driver="foo"), NotFound, 'plugin "foo" not found'),
        (NetworkSpec("n", driver="foo", scope="swarm"), NotFound, 'plugin "foo" not found'),
        (NetworkSpec("n", driver="host", scope="swarm"), NotAllowed, "only one instance"),
        (NetworkSpec("n", driver="macvlan", scope="swarm", ingress=True), NotAllowed, "Ingress network"),
        (overlay("taken"), Conflict, "^network with name taken already exists$"),
        (overlay("local"), Conflict, "^network with name local already exists$"),
        (overlay("n", scope="local"), NotAllowed, "cannot downgrade network scope for overlay networks"),
        (overlay("n", options={"com.docker.network.driver.mtu": "90000"}), Invalid, "invalid MTU number: 90000"),
        (overlay("n", options={"encrypted": "maybe"}), Invalid, "maybe"),
        (overlay("i2", ingress=True), Conflict, "ingress network .* is already present"),
    ],
)
async def test_refusals(swarm: Place, spec: NetworkSpec, refusal: type[Refusal], words: str) -> None:
    await swarm.networks.create(overlay("taken"))
    await swarm.networks.create(overlay("ingress", ingress=True))
    swarm.state.put_network(Network("1" * 64, "local", "bridge", 1))
    with pytest.raises(refusal, match=words):
        await swarm.networks.create(spec)


async def test_what_a_service_names_is_not_removed(swarm: Place) -> None:
    network_id = await swarm.networks.create(overlay())
    template = TaskTemplate(ContainerTemplate("busybox"), networks=(NetworkAttachmentSpec("front"),))
    service_id = await swarm.services.create(ServiceSpec("web", template))
    assert swarm.networks.in_use(swarm.networks.find("front"))
    with pytest.raises(Invalid, match=f"network {network_id} is in use by service {service_id}"):
        await swarm.networks.remove("front")
    await swarm.services.remove("web")
    await swarm.networks.remove("front")
    assert list(swarm.networks.list()) == []


async def test_a_network_goes_with_its_last_task_and_its_name_at_once(swarm: Place) -> None:
    first = await swarm.networks.create(overlay())
    template = TaskTemplate(ContainerTemplate("busybox"))
    place = (Attachment(first, (ip_interface("10.0.1.3/24"),)),)
    stopping = Task(
        "t1", "gone", template, "web", 1, "n1", TaskStatus(TaskState.RUNNING), TaskState.REMOVE, attachments=place
    )
    await swarm.mirror.write([Put(stopping)])
    await swarm.networks.remove("front")
    assert swarm.snapshot.networks[first].pending_delete
    with pytest.raises(NotFound, match="^network front not found$"):
        swarm.networks.find("front")
    assert await swarm.networks.create(overlay()) != first


async def test_the_hosts_own_networks_can_be_named_but_are_not_listed(swarm: Place) -> None:
    await swarm.mirror.write(map(Put, predefined(SystemEntropy(), 1)))
    assert list(swarm.networks.list()) == []
    assert swarm.networks.find("host").spec.driver == "host"
    with pytest.raises(NotAllowed, match="bridge is a pre-defined network"):
        await swarm.networks.remove("bridge")


async def test_only_managers_make_them(swarm: Place) -> None:
    swarm.stand(WORKER)
    assert list(swarm.networks.list()) == []
    with pytest.raises(NotAllowed, match="Cannot create a multi-host network from a worker node"):
        await swarm.networks.create(overlay())
    swarm.stand(OUTSIDE)
    with pytest.raises(NotAllowed, match="docker swarm init"):
        await swarm.networks.create(overlay())
    with pytest.raises(NotAllowed, match="when swarm is not active"):
        await swarm.networks.create(NetworkSpec("n", driver="macvlan", scope="swarm"))
    with pytest.raises(NotFound):
        swarm.networks.find("front")
