"""Tasks on a network of the whole swarm, with this engine's own overlays and discovery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Address, ip_interface, ip_network
from pathlib import Path

import pytest

from fairlead.model.container import Container
from fairlead.model.network import NetworkSpec, Pool
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import ServiceEndpoint, VirtualIp
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.states import TaskState as S
from fairlead.model.swarm.task import Task
from tests.effects.kernel.conftest import run
from tests.engine.swarm.agent.member import Member
from tests.engine.swarm.agent.peer import PATIENCE
from tests.engine.swarm.agent.test_executor import task
from tests.support.machines import eventually

NET = "kuinm835wlte6ajtjpuzq39ip"
VNIS = {"com.docker.network.driver.overlay.vxlanid_list": "4097"}
HERE = IPv4Address("192.168.1.1")
POOL = Pool(ip_network("10.0.1.0/24"), IPv4Address("10.0.1.1"), requested=True)
OVERNET = SwarmNetwork(
    NET, NetworkSpec("overnet", "overlay", "swarm"), "overlay", VNIS, (POOL,), (4097,), allocated=True
)
VIP = ServiceEndpoint(virtual_ips=(VirtualIp(NET, ip_interface("10.0.1.2/24")),))


@pytest.fixture
async def spanning(own_host: Path) -> AsyncIterator[Member]:
    """A node with an uplink, whose overlays and discovery are the engine's own."""
    run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    run("ip", "address", "add", f"{HERE}/24", "dev", "up0")
    run("ip", "link", "set", "up0", "up")
    run("ip", "link", "set", "up1", "up")
    made = Member(own_host, own_surroundings=True)
    made.manager.networks = (OVERNET,)
    await made.start()
    try:
        await made.provide()
        yield made
    finally:
        await made.close()


def on_overnet(task_id: str, slot: int) -> Task:
    attachment = Attachment(NET, (ip_interface(f"10.0.1.{slot + 2}/24"),), ("www",))
    return replace(task(task_id, slot), attachments=(attachment,), endpoint=VIP)


async def test_a_task_has_the_address_that_the_swarm_gave_it(spanning: Member) -> None:
    spanning.manager.assign(on_overnet("t1", 1))
    await spanning.manager.reach("t1", S.RUNNING)
    container = spanning.running("t1")
    assert "10.0.1.3/24" in await spanning.run_in(container, "ip", "-4", "address", "show")
    assert spanning.engine.state.networks[NET].name == "overnet"


async def test_names_of_the_service_follow_its_tasks(spanning: Member) -> None:
    spanning.manager.assign(on_overnet("t1", 1), on_overnet("t2", 2))
    await spanning.manager.reach("t1", S.RUNNING)
    await spanning.manager.reach("t2", S.RUNNING)
    asking = spanning.running("t1")
    for name, addresses in (("web", {"10.0.1.2"}), ("www", {"10.0.1.2"}), ("tasks.web", {"10.0.1.3", "10.0.1.4"})):
        await named(spanning, asking, name, addresses)
    spanning.manager.wish("t2", S.SHUTDOWN)
    await spanning.manager.reach("t2", S.SHUTDOWN)
    await named(spanning, asking, "tasks.web", {"10.0.1.3"})


async def named(member: Member, container: Container, name: str, addresses: set[str]) -> None:
    """Wait until the name has these addresses: it gets them when they can be reached."""
    async with asyncio.timeout(PATIENCE):
        while await addresses_of(member, container, name) != addresses:  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(0.05)


async def addresses_of(member: Member, container: Container, name: str) -> set[str]:
    output = await member.run_in(container, "nslookup", name, "127.0.0.11")
    answers = output.partition("Name:")[2]
    return {word for word in answers.split() if word.startswith("10.0.1.")}


async def test_the_network_goes_with_the_last_task_and_stands_after_a_restart(spanning: Member) -> None:
    spanning.manager.assign(on_overnet("t1", 1), on_overnet("t2", 2))
    await spanning.manager.reach("t1", S.RUNNING)
    await spanning.manager.reach("t2", S.RUNNING)
    await spanning.restart()
    asking = spanning.running("t1")
    await named(spanning, asking, "tasks.web", {"10.0.1.3", "10.0.1.4"})
    spanning.manager.wish("t1", S.SHUTDOWN)
    spanning.manager.wish("t2", S.SHUTDOWN)
    await eventually(lambda: NET not in spanning.engine.state.networks)


async def test_the_network_waits_for_a_guest_whose_place_is_not_assigned_yet(spanning: Member) -> None:
    networks, known = spanning.agent.networks, spanning.engine.state.networks
    await networks.ensure_for_guest(OVERNET, "g1")
    await networks.release(())
    assert NET in known
    await networks.release((on_overnet("g1", 1),))
    assert NET in known
    await networks.release(())
    assert NET not in known
    await networks.ensure_for_guest(OVERNET, "g2")
    networks.leave_guest("g2")
    await networks.release(())
    assert NET not in known


async def test_the_mesh_has_its_entrance_here_while_the_swarm_has_an_ingress(spanning: Member) -> None:
    pool = Pool(ip_network("10.0.0.0/24"), IPv4Address("10.0.0.1"), requested=True)
    options = {"com.docker.network.driver.overlay.vxlanid_list": "4096"}
    spec = NetworkSpec("ingress", "overlay", ingress=True)
    ingress = SwarmNetwork("pvhupr4ffqczivbsjhnd8cdju", spec, "overlay", options, (pool,), (4096,), allocated=True)
    own = Attachment(ingress.id, (ip_interface("10.0.0.2/24"),))
    spanning.manager.say_networks((ingress,), replace(spanning.manager.node, attachments=(own,)))
    state = spanning.engine.state
    await eventually(lambda: bool(state.endpoints_on(ingress.id)))
    spanning.manager.say_networks((), replace(spanning.manager.node, attachments=()))
    await eventually(lambda: ingress.id not in state.networks)
