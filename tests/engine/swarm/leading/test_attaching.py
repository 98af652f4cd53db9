"""Places on attachable networks: the allocator gives them, users' own containers hold them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from ipaddress import ip_interface

import pytest

from fairlead.effects.clock import SystemEntropy
from fairlead.engine.records import decode
from fairlead.engine.swarm.attaching import Attaching
from fairlead.engine.swarm.messages import AttachAnswer, AttachRequest, DetachRequest
from fairlead.model.errors import Failed, NotAllowed, NotFound
from fairlead.model.network import PoolRequest
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from tests.core.swarm import builders
from tests.engine.swarm.leading.court import Court, called

OPEN = builders.network("open", attachable=True)
CLOSED = builders.network("closed")


@dataclass(slots=True)
class Desk:
    court: Court
    attaching: Attaching

    async def attach(self, container: str, *addresses: str, network: str = "open", node: str = "n1") -> AttachAnswer:
        request = AttachRequest(network, container, addresses)
        return decode(AttachAnswer, await self.attaching.attach(called("attach", request, node)))

    async def detach(self, task: Task, node: str = "n1") -> None:
        await self.attaching.detach(called("detach", DetachRequest(task.id), node))

    @property
    def places(self) -> list[str]:
        """Who has one, by container."""
        return sorted(task.spec.attached_container for task in self.court.snapshot.tasks.values())


@pytest.fixture
async def desk(court: Court) -> Desk:
    """Of a swarm of two nodes with an attachable network and another."""
    await court.put(builders.CLUSTER, builders.node("n1"), builders.node("n2"), OPEN, CLOSED)
    await court.until(
        lambda: all(one.allocated for one in court.snapshot.networks.values()) and court.snapshot.networks
    )
    return Desk(court, Attaching(court.mirror, court.reign.propose, court.clock, SystemEntropy()))


async def test_an_answer_has_the_addresses_that_the_allocator_gave(desk: Desk) -> None:
    first, second = await asyncio.gather(desk.attach("c1"), desk.attach("c2", node="n2"))
    (pool,) = desk.court.snapshot.networks["open"].pools
    given = [address for answer in (first, second) for address in answer.attachment.addresses]
    assert len(set(given)) == 2
    assert all(address.network == pool.subnet for address in given)
    assert first.network == desk.court.snapshot.networks["open"]
    assert (first.task.node_id, second.task.node_id) == ("n1", "n2")
    assert first.task.status.state == TaskState.ASSIGNED


async def test_a_network_is_found_by_its_name_too(desk: Desk) -> None:
    await desk.court.put(replace(builders.network("named", attachable=True), id="otherid"))
    await desk.court.until(lambda: "otherid" in desk.court.snapshot.networks)
    assert (await desk.attach("c1", network="named")).network.id == "otherid"


async def test_what_is_not_attachable_is_refused(desk: Desk) -> None:
    with pytest.raises(NotAllowed, match="network closed not manually attachable"):
        await desk.attach("c1", network="closed")
    with pytest.raises(NotFound, match="network nowhere not found"):
        await desk.attach("c1", network="nowhere")
    await desk.court.put(replace(desk.court.snapshot.networks["open"], pending_delete=True))
    await desk.court.until(lambda: "open" not in desk.court.snapshot.networks)
    with pytest.raises(NotFound, match="network open not found"):
        await desk.attach("c1")
    assert desk.places == []


async def test_an_address_that_is_taken_is_refused_and_leaves_nothing(desk: Desk) -> None:
    taken = (await desk.attach("c1")).attachment.addresses[0]
    with pytest.raises(Failed, match=r"attaching to network failed.*: Address already in use"):
        await desk.attach("c2", str(taken.ip), node="n2")
    assert desk.places == ["c1"]
    free = ip_interface(f"{taken.ip + 40}/{taken.network.prefixlen}")
    assert (await desk.attach("c2", str(free.ip), node="n2")).attachment.addresses == (free,)


async def test_a_place_that_is_given_back_is_another_ones(desk: Desk) -> None:
    answer = await desk.attach("c1")
    (address,) = answer.attachment.addresses
    await desk.detach(answer.task, node="n2")
    assert desk.places == ["c1"]
    await desk.detach(answer.task)
    assert desk.places == []
    await desk.detach(answer.task)
    assert (await desk.attach("c2", str(address.ip), node="n2")).attachment.addresses == (address,)


async def test_who_asks_again_has_the_place_already(desk: Desk) -> None:
    first, again = await desk.attach("c1"), await desk.attach("c1")
    assert (again.task.id, again.attachment) == (first.task.id, first.attachment)
    assert desk.places == ["c1"]


async def test_a_place_whose_time_is_over_is_not_given_again(desk: Desk) -> None:
    """The node was down, its tasks ended elsewhere; the container starts again."""
    first = await desk.attach("c1")
    over = replace(desk.court.snapshot.tasks[first.task.id], desired=TaskState.SHUTDOWN)
    await desk.court.user.refresh()
    await desk.court.put(replace(over, status=replace(over.status, state=TaskState.ORPHANED)))
    await desk.court.until(lambda: desk.court.snapshot.tasks[first.task.id].dead)
    again = await desk.attach("c1")
    assert again.task.id != first.task.id
    assert again.task.status.state == TaskState.ASSIGNED


async def test_a_full_network_says_so_until_a_place_is_free(desk: Desk) -> None:
    await desk.court.put(builders.network("tight", attachable=True, pools=(PoolRequest(subnet="10.77.7.0/30"),)))
    await desk.court.until(lambda: (one := desk.court.snapshot.networks.get("tight")) is not None and one.allocated)
    only = await desk.attach("c1", network="tight", node="n1")
    with pytest.raises(Failed, match=r"attaching to network failed.* are held by tasks"):
        await desk.attach("c2", network="tight", node="n1")
    await desk.detach(only.task)
    assert (await desk.attach("c2", network="tight", node="n1")).attachment == only.attachment
