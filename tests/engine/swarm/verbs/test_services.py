"""The verbs of `docker service` on a manager's store."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from fairlead.core.swarm.changes import Put
from fairlead.engine.swarm.services import ServiceStatus
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound, Unavailable
from fairlead.model.image import RegistryAuth
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.node import READY, Node, NodeStatus
from fairlead.model.swarm.service import GLOBAL, Service, ServiceMode, ServiceSpec
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import ContainerTemplate, NetworkAttachmentSpec, TaskTemplate
from tests.engine.swarm.verbs.seats import OUTSIDE, WORKER, Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def spec(name: str = "web", image: str = "busybox", **over: object) -> ServiceSpec:
    return ServiceSpec(name, TaskTemplate(ContainerTemplate(image)), **over)  # type: ignore[arg-type]


def container_of(service: Service) -> ContainerTemplate:
    assert service.spec.template.container is not None
    return service.spec.template.container


async def test_a_service_is_found_by_id_name_and_beginning(swarm: Place) -> None:
    service_id = await swarm.services.create(spec())
    assert [swarm.services.get(ref).id for ref in (service_id, "web", service_id[:6])] == [service_id] * 3
    with pytest.raises(NotFound, match="^service missing not found$"):
        swarm.services.get("missing")


async def test_a_service_without_name_gets_one(swarm: Place) -> None:
    name = swarm.services.get(await swarm.services.create(spec(""))).spec.name
    assert "_" in name


async def test_a_name_is_given_once_whichever_manager_is_asked(swarm: Place, other: Place) -> None:
    answers = await asyncio.gather(
        *(place.services.create(spec(name)) for place, name in ((swarm, "web"), (other, "Web"))), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 1
    assert isinstance(refused[0], Conflict)
    assert refused[0].message.endswith("already exists")


async def test_networks_are_named_by_name_and_kept_by_id(swarm: Place) -> None:
    network_id = await swarm.networks.create(NetworkSpec("front", driver="overlay"))
    joins = (NetworkAttachmentSpec("front", aliases=("a",)), NetworkAttachmentSpec(network_id, aliases=("b",)))
    wanted = spec()
    await swarm.services.create(replace(wanted, template=replace(wanted.template, networks=joins)))
    assert swarm.services.get("web").spec.template.networks == (NetworkAttachmentSpec(network_id, aliases=("a", "b")),)
    missing = replace(wanted, name="x", template=replace(wanted.template, networks=(NetworkAttachmentSpec("none"),)))
    with pytest.raises(NotFound, match="^network none not found$"):
        await swarm.services.create(missing)


async def test_an_update_keeps_the_previous_spec_and_a_rollback_goes_back(swarm: Place) -> None:
    await swarm.services.create(spec())
    first = swarm.services.get("web")
    with pytest.raises(Invalid, match="does not have a previous spec"):
        await swarm.services.roll_back("web", first.version)
    await swarm.services.update("web", first.version, spec(image="alpine"))
    second = swarm.services.get("web")
    assert (container_of(second).image, second.previous) == ("alpine", first.spec)
    assert second.version > first.version
    await swarm.services.roll_back("web", second.version)
    assert container_of(swarm.services.get("web")).image == "busybox"


async def test_an_update_of_what_was_changed_meanwhile_is_out_of_sequence(swarm: Place, other: Place) -> None:
    await swarm.services.create(spec())
    seen = swarm.services.get("web").version
    await other.mirror.refresh()
    await other.services.update("web", seen, spec(mode=ServiceMode(replicas=2)))
    with pytest.raises(Failed, match="update out of sequence"):
        await swarm.services.update("web", seen, spec(mode=ServiceMode(replicas=3)))
    assert swarm.services.get("web").spec.mode.replicas == 2


async def test_a_removal_does_not_mind_what_changed_meanwhile(swarm: Place, other: Place) -> None:
    await swarm.services.create(spec())
    await other.mirror.refresh()
    await other.services.update("web", other.services.get("web").version, spec(mode=ServiceMode(replicas=2)))
    await swarm.services.remove("web")
    with pytest.raises(NotFound):
        swarm.services.get("web")


async def test_credentials_outlive_updates_that_bring_none(swarm: Place) -> None:
    auth = RegistryAuth("me", "secret")
    await swarm.services.create(spec(), auth)
    service = swarm.services.get("web")
    await swarm.services.update("web", service.version, spec(image="b"))
    service = swarm.services.get("web")
    assert container_of(service).pull_auth == auth
    newer = RegistryAuth("you", "other")
    await swarm.services.update("web", service.version, spec(image="c"), newer)
    await swarm.services.update("web", swarm.services.get("web").version, spec(image="d"), None, "previous-spec")
    assert container_of(swarm.services.get("web")).pull_auth == auth


async def test_an_unknown_way_to_balance_is_refused(swarm: Place) -> None:
    with pytest.raises(Invalid, match="com.fairlead.balance"):
        await swarm.services.create(spec(labels={"com.fairlead.balance": "magic"}))
    with pytest.raises(Invalid, match="it needs IPVS"):
        await swarm.services.create(spec(labels={"com.fairlead.balance": "least"}))


async def test_filters(swarm: Place) -> None:
    await swarm.services.create(spec("web", labels={"tier": "front"}))
    await swarm.services.create(spec("webby", mode=ServiceMode(GLOBAL)))
    await swarm.services.create(spec("db"))

    def names(**filters: list[str]) -> list[str]:
        return [service.spec.name for service in swarm.services.list(filters)]

    assert names() == ["db", "web", "webby"]
    assert names(name=["web"]) == ["web", "webby"]
    assert names(mode=["global"]) == ["webby"]
    assert names(label=["tier"]) == names(label=["tier=front"]) == ["web"]
    assert names(label=["tier=back"]) == []
    assert names(id=[swarm.services.get("db").id[:8]]) == ["db"]
    with pytest.raises(Invalid, match="^invalid filter 'foo'$"):
        names(foo=["x"])


async def test_the_status_counts_what_runs_and_what_is_wanted(swarm: Place) -> None:
    await swarm.services.create(spec(mode=ServiceMode(replicas=3)))
    service = swarm.services.get("web")
    running = TaskStatus(TaskState.RUNNING)
    tasks = [
        Task(f"t{slot}", service.id, service.spec.template, "web", slot, "n1", running if slot < 3 else TaskStatus())
        for slot in (1, 2, 3)
    ]
    await swarm.mirror.write([Put(Node("n1", status=NodeStatus(READY))), *map(Put, tasks)])
    assert swarm.services.status(service) == ServiceStatus(running=2, desired=3)


async def test_tasks_are_found_by_what_they_belong_to(swarm: Place) -> None:
    await swarm.services.create(spec(labels={"stack": "a"}))
    service = swarm.services.get("web")
    new = Task("new1", service.id, service.spec.template, "web", 1, "n1", labels=service.spec.labels)
    old = replace(new, id="old1", spec=TaskTemplate(ContainerTemplate("old")), desired=TaskState.SHUTDOWN)
    other = Task("oth1", "gone", service.spec.template, "db", 1, "n2", desired=TaskState.SHUTDOWN)
    await swarm.mirror.write(map(Put, (new, old, other)))

    def ids(**filters: list[str]) -> list[str]:
        return sorted(task.id for task in swarm.tasks.list({name.replace("__", "-"): v for name, v in filters.items()}))

    assert ids() == ["new1", "old1", "oth1"]
    assert ids(service=["web"]) == ids(label=["stack=a"]) == ids(name=["web.1"]) == ["new1", "old1"]
    assert ids(desired__state=["running"]) == ["new1"]
    assert sorted(task.id for task in swarm.tasks.list({"service": ["web"], "_up-to-date": ["true"]})) == ["new1"]
    assert swarm.tasks.get("web.1.new1").id == swarm.tasks.get("new").id == "new1"
    with pytest.raises(NotFound, match="^service missing not found$"):
        ids(service=["missing"])
    with pytest.raises(Invalid, match="Invalid desired-state filter: 'foo'"):
        ids(desired__state=["foo"])
    with pytest.raises(NotFound, match="^task zz not found$"):
        swarm.tasks.get("zz")


async def test_only_managers_answer(swarm: Place) -> None:
    for standing, words in ((OUTSIDE, "docker swarm init"), (WORKER, "Worker nodes can't be used")):
        swarm.stand(standing)
        with pytest.raises(Unavailable, match=words):
            swarm.services.list({})
        with pytest.raises(Unavailable, match=words):
            await swarm.services.create(spec())
