"""An agent and its managers: sessions that break, leaders that change, daemons that restart, nodes that leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fairlead.engine.swarm import executor, task_runner
from fairlead.engine.swarm.messages import LogWish, News
from fairlead.engine.swarm.presences import ARRIVING
from fairlead.model.container import ContainerSpec
from fairlead.model.discovery import TASK, Presence
from fairlead.model.errors import Failed, Unavailable
from fairlead.model.network import NetworkSpec, PoolRequest
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.cluster import EncryptionKey, GossipKey
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.states import TaskState as S
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import TaskTemplate
from tests.engine.swarm.agent.member import Member
from tests.engine.swarm.agent.peer import FOLLOWER
from tests.engine.swarm.agent.test_executor import task
from tests.support.machines import eventually

# --- sessions ---------------------------------------------------------------------------------------


async def test_the_leader_is_found_through_whoever_answers(member: Member) -> None:
    member.manager.leading = FOLLOWER
    member.manager.cut()
    await eventually(lambda: len(member.manager.sessions) >= 2)
    assert await member.agent.ask("renew", b"{}") == b""
    assert member.manager.asked == ["renew"]


async def test_beats_come_as_often_as_the_manager_wants(member: Member) -> None:
    await eventually(lambda: member.manager.beats >= 3)


async def test_who_is_shut_out_knows_why_until_managers_let_it_in(
    member: Member, caplog: pytest.LogCaptureFixture
) -> None:
    member.manager.assign(task())
    await member.manager.reach("t1", S.RUNNING)
    caplog.set_level("INFO")
    member.manager.shuts_out = True
    member.manager.cut()
    await eventually(lambda: member.agent.shut_out == "node n1 was removed from the swarm")
    member.running("t1")
    member.manager.shuts_out = False
    await member.manager.until(lambda: len(member.manager.sessions) == 2, "a session")
    await eventually(lambda: not member.agent.shut_out)
    assert caplog.text.count("was removed from the swarm") <= 2, "once of each manager"


async def test_everything_is_told_again_in_a_new_session(member: Member) -> None:
    member.manager.assign(task())
    await member.manager.reach("t1", S.RUNNING)
    member.manager.told.clear()
    member.manager.cut()
    assert (await member.manager.reach("t1", S.RUNNING)).message == "started"
    tokens = [session.token for session in member.manager.sessions]
    assert len(set(tokens)) == len(tokens)


async def test_without_managers_tasks_run_on_and_ends_are_told_later(member: Member) -> None:
    member.manager.assign(task("t1"), task("t2", 2))
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.RUNNING)
    member.manager.deaf = True
    member.manager.cut()
    await member.engine.containers.kill("web.2.t2")
    await eventually(lambda: member.engine.state.container("web.2.t2").state.status == "exited")
    with pytest.raises(Unavailable):
        await member.agent.ask("renew", b"{}", patience=0.2)
    assert member.manager.status("t2").state == S.RUNNING
    member.manager.deaf = False
    await member.manager.reach("t2", S.FAILED)
    assert member.running("t1").state.restart_count == 0


async def test_a_changed_place_is_told_in_a_new_session(member: Member) -> None:
    await eventually(lambda: bool(member.manager.sessions))
    member.agent.move(replace(member.agent._place, manager_address="192.168.1.1:2377"))
    await eventually(lambda: member.manager.sessions[-1].manager_address == "192.168.1.1:2377")


async def test_the_membership_hears_all_news(member: Member) -> None:
    await eventually(lambda: bool(member.heard))
    assert member.heard[0].everything


# --- the daemon comes and goes ----------------------------------------------------------------------


async def test_a_restart_of_the_daemon_restarts_nothing(member: Member) -> None:
    member.manager.assign(task("t1"), task("t2", 2, desired=S.READY))
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.READY)
    before = member.running("t1").state
    member.manager.told.clear()
    await member.restart()
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.READY)
    after = member.running("t1").state
    assert (after.pid, after.started) == (before.pid, before.started)
    assert sorted(container.spec.task_id for container in member.engine.state.containers.values()) == ["t1", "t2"]


async def test_an_end_while_nobody_looked_is_told_by_the_next_daemon(member: Member) -> None:
    member.manager.assign(task(args=("sh", "-c", "while ! test -e /tmp/enough; do sleep 0.02; done; exit 9")))
    await member.manager.reach("t1", S.RUNNING)
    root = member.engine.rootfs.merged(member.running("t1").id)
    await member.stop()
    (root / "tmp/enough").touch()
    await member.start()
    assert (await member.manager.reach("t1", S.FAILED)).error == "task: non-zero exit (9)"


async def test_a_daemon_without_managers_looks_after_its_tasks_and_starts_none(member: Member) -> None:
    member.manager.assign(task("t1"), task("t2", 2, desired=S.READY))
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.READY)
    member.manager.deaf = True
    await member.restart()
    assert member.running("t1").state.pid
    await member.engine.containers.kill("web.1.t1")
    await eventually(lambda: member.agent._executor.statuses["t1"].state == S.FAILED)
    assert member.agent._executor.statuses["t2"].state == S.READY


async def test_a_wish_to_stop_outlives_the_daemon(member: Member) -> None:
    member.manager.assign(task("t1", stop_grace=60_000_000_000, args=("sh", "-c", "trap '' TERM; sleep 1000")))
    await member.manager.reach("t1", S.RUNNING)
    member.manager.wish("t1", S.SHUTDOWN)
    await eventually(lambda: member.running("t1").state.manually_stopped)
    member.manager.deaf = True
    await member.restart()
    await member.engine.containers.kill("web.1.t1")
    await eventually(lambda: member.agent._executor.statuses["t1"].state == S.SHUTDOWN)


async def test_what_a_node_missed_while_it_was_given_up_ends_at_its_return(member: Member) -> None:
    member.manager.assign(task("t1"), task("t2", 2))
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.RUNNING)
    await member.stop()
    del member.manager.assigned["t1"]
    await member.start()
    await eventually(lambda: member.container("t1") is None)
    assert member.running("t2").state.pid


async def test_a_container_of_a_task_that_is_not_this_nodes_is_removed(member: Member) -> None:
    member.manager.assign(task())
    await member.manager.reach("t1", S.RUNNING)
    await member.agent.close()
    await member.agent._executor._forget("t1")
    member.manager.assigned.clear()
    await member.restart()
    await eventually(lambda: member.container("t1") is None)


async def test_nothing_is_begun_while_managers_may_have_given_the_node_up(member: Member) -> None:
    """As after a long pause of the process: what was told before it may be another node's affair by now."""
    member.manager.assign(task("t1", desired=S.READY))
    await member.manager.reach("t1", S.READY)
    member.manager.notes_signs.clear()
    await eventually(lambda: not member.agent._signs.fresh)
    member.manager.wish("t1", S.RUNNING)
    await eventually(lambda: member.agent._executor._runners["t1"].status.state == S.STARTING)
    made = member.container("t1")
    assert made is not None
    await asyncio.sleep(0.3)
    assert member.engine.state.container(made.id).state.status == "created"
    member.manager.notes_signs.set()
    await member.manager.reach("t1", S.RUNNING)


async def test_leaving_ends_and_removes_every_task(member: Member) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    member.manager.assign(task("t1"), task("t2", 2, args=("true",)), task("t3", 3, args=stubborn))
    await member.manager.reach("t1", S.RUNNING)
    await member.manager.reach("t2", S.COMPLETE)
    await member.manager.reach("t3", S.RUNNING)
    begun = time.monotonic()
    await member.agent.say_goodbye()
    await member.agent.leave()
    assert time.monotonic() - begun < 8
    assert member.manager.asked == ["leave"]
    assert not member.engine.state.containers
    assert not member.engine.store.load().get("assignment")


async def test_leaving_waits_for_no_grace_not_even_of_a_task_that_is_just_starting(member: Member) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    one = task("t1", args=stubborn)
    assert one.spec.container is not None
    patient = replace(one.spec, container=replace(one.spec.container, stop_grace=60 * 10**9))
    member.manager.assign(replace(one, spec=patient), replace(one, spec=patient, id="t2", slot=2))
    await member.manager.reach("t1", S.RUNNING)
    member.manager.wish("t1", S.SHUTDOWN)
    member.manager.assign(replace(one, spec=patient, id="t3", slot=3))
    await member.manager.reach("t3", S.STARTING)
    begun = time.monotonic()
    await member.agent.leave()
    assert time.monotonic() - begun < 8
    assert not member.engine.state.containers


async def test_leaving_is_not_held_back_by_a_task_that_cannot_be_ended(
    member: Member, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(executor, "ABANDONING", 0.2)
    member.manager.assign(task("t1"))
    await member.manager.reach("t1", S.RUNNING)

    async def refuse(*_: object, **__: object) -> None:
        raise Failed("device or resource busy")

    with monkeypatch.context() as broken:
        broken.setattr(member.engine.containers, "remove", refuse)
        await member.agent.leave()
    assert "could not be ended: t1" in caplog.text


# --- networks and discovery -------------------------------------------------------------------------


class Listener:
    """A `Discovery` that writes down what it is told."""

    def __init__(self) -> None:
        self.present: dict[str, tuple[str, Presence]] = {}
        self.said: list[tuple[str, bool]] = []
        self.told: list[tuple[object, object]] = []
        self.everybody_heeds = asyncio.Event()
        self.everybody_heeds.set()

    async def heeded(self, network_id: str, endpoint_id: str, patience: float) -> bool:
        assert self.present[endpoint_id][0] == network_id
        with suppress(TimeoutError):
            await asyncio.wait_for(self.everybody_heeds.wait(), patience)
        return self.everybody_heeds.is_set()

    async def tell(self, peers: object, keys: object) -> None:
        self.told.append((peers, keys))

    async def announce(self, network_id: str, presence: Presence) -> None:
        self.present[presence.endpoint_id] = network_id, presence
        self.said.append((presence.name, presence.serving))

    async def withdraw(self, network_id: str, endpoint_id: str) -> None:
        assert self.present[endpoint_id][0] == network_id
        name = self.present.pop(endpoint_id)[1].name
        self.said.append((f"-{name}", False))


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def neighbour(own_host: Path, listener: Listener) -> AsyncIterator[Member]:
    """A node whose discovery is listened to, with a network that each host has its own part of."""
    made = Member(own_host, discovery=listener)
    made.manager.networks = (_SHARED,)
    await made.start()
    try:
        await made.provide()
        await made.engine.networks.create(
            NetworkSpec("own-part", config_only=True, pools=(PoolRequest("10.7.0.0/24"),))
        )
        yield made
    finally:
        await made.close()


NET = "kuinm835wlte6ajtjpuzq39ip"
_SHARED = SwarmNetwork(NET, NetworkSpec("shared", "bridge", "swarm", config_from="own-part"), driver="bridge")


def attached(task_id: str = "t1", slot: int = 1) -> Task:
    labels = {"com.fairlead.balance": "source"}
    return replace(task(task_id, slot), labels=labels, attachments=(Attachment(NET, aliases=("www",)),))


async def test_a_network_of_the_swarm_is_there_while_tasks_need_it(neighbour: Member) -> None:
    neighbour.manager.assign(attached())
    await neighbour.manager.reach("t1", S.RUNNING)
    network = neighbour.engine.state.networks[NET]
    assert (network.name, network.scope, str(network.pools[0].subnet)) == ("shared", "swarm", "10.7.0.0/24")
    (endpoint,) = neighbour.engine.state.endpoints_of(neighbour.running("t1").id)
    assert endpoint.network_id == NET
    neighbour.manager.wish("t1", S.SHUTDOWN)
    await neighbour.manager.reach("t1", S.SHUTDOWN)
    await eventually(lambda: NET not in neighbour.engine.state.networks)


async def test_a_network_that_this_host_has_no_part_of_rejects(neighbour: Member) -> None:
    await neighbour.engine.networks.remove("own-part")
    neighbour.manager.assign(attached())
    status = await neighbour.manager.reach("t1", S.REJECTED)
    assert status.error == 'configuration network "own-part" does not exist'


async def test_a_task_ends_when_nobody_is_sent_to_it_any_more(
    neighbour: Member, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_runner, "QUIESCE", 30.0)
    listener.everybody_heeds.clear()
    neighbour.manager.assign(attached())
    await neighbour.manager.reach("t1", S.RUNNING)
    await eventually(lambda: listener.said == [("web.1.t1", True)])
    ((network_id, presence),) = listener.present.values()
    (endpoint,) = neighbour.engine.state.endpoints_of(neighbour.running("t1").id)
    assert (network_id, presence.kind, presence.endpoint_id, presence.mac) == (NET, TASK, endpoint.id, endpoint.mac)
    assert (presence.node_id, presence.vtep) == ("n1", IPv4Address("192.168.1.1"))
    assert (presence.service, presence.service_aliases, presence.balance) == ("web", ("www",), "source")
    assert presence.addresses == tuple(address.ip for address in endpoint.addresses)
    neighbour.manager.wish("t1", S.SHUTDOWN)
    await eventually(lambda: listener.said[1:] == [("web.1.t1", False)])
    await asyncio.sleep(2 * ARRIVING)
    assert not neighbour.running("t1").state.manually_stopped
    listener.everybody_heeds.set()
    await neighbour.manager.reach("t1", S.SHUTDOWN)
    await eventually(lambda: listener.said[2:] == [("-web.1.t1", False)])


async def test_a_task_ends_though_somebody_never_hears_of_it(
    neighbour: Member, listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task_runner, "QUIESCE", 0.1)
    caplog.set_level("INFO")
    listener.everybody_heeds.clear()
    neighbour.manager.assign(attached())
    await neighbour.manager.reach("t1", S.RUNNING)
    neighbour.manager.wish("t1", S.SHUTDOWN)
    await neighbour.manager.reach("t1", S.SHUTDOWN)
    assert "not all nodes have heard of it" in caplog.text


async def test_a_new_daemon_announces_what_runs(neighbour: Member, listener: Listener) -> None:
    neighbour.manager.assign(attached())
    await neighbour.manager.reach("t1", S.RUNNING)
    await eventually(lambda: bool(listener.present))
    await neighbour.stop()
    listener.said.clear()
    await neighbour.start()
    await eventually(lambda: listener.said == [("web.1.t1", True)])


async def test_keys_and_peers_are_always_told_completely(neighbour: Member, listener: Listener) -> None:
    key = GossipKey(EncryptionKey("networking:gossip", 1, "00"), primary=True)
    peer = IPv4Address("192.168.1.2")
    await eventually(lambda: bool(neighbour.manager.sessions))
    neighbour.manager._put(News(keys=(key,)))
    neighbour.manager._put(News(peers=(peer,)))
    await eventually(lambda: len(listener.told) == 2)
    assert listener.told == [((), (key,)), ((peer,), (key,))]


async def test_an_attachment_stands_for_a_users_own_container(member: Member) -> None:
    container_id, _ = await member.engine.containers.create("mine", ContainerSpec("busybox", cmd=("sleep", "1000")))
    await member.engine.containers.start("mine")
    standing = replace(task(), spec=TaskTemplate(attached_container=container_id), service_id="", service_name="")
    member.manager.assign(standing)
    await member.manager.reach("t1", S.RUNNING)
    member.manager.drop("t1")
    await eventually(lambda: not member.agent._executor.statuses)
    assert member.engine.state.container("mine").state.status == "running"


# --- logs -------------------------------------------------------------------------------------------


async def test_a_log_is_read_from_afar(member: Member) -> None:
    member.manager.assign(task(args=("sh", "-c", "echo one; echo two >&2; echo three; sleep 1000")))
    await member.manager.reach("t1", S.RUNNING)
    await eventually(lambda: _logged(member) >= 3)
    member.manager.ask_for_log(LogWish("w1", "t1"))
    await member.manager.until(lambda: any(one.last for one in member.manager.published))
    assert sorted(member.manager.log_lines("w1")) == ["one\n", "three\n", "two\n"]
    member.manager.ask_for_log(LogWish("w2", "t1", tail=1, stderr=False))
    await member.manager.until(lambda: any(one.last and one.wish_id == "w2" for one in member.manager.published))
    assert member.manager.log_lines("w2") == ["three\n"]


def _logged(member: Member) -> int:
    path = member.config.data_root / "containers" / member.running("t1").id
    return sum(file.read_text().count("\n") for file in path.glob("*.log"))


async def test_a_followed_log_goes_on_until_nobody_wants_it(member: Member) -> None:
    member.manager.ask_for_log(LogWish("early", "t1", follow=True))
    member.manager.assign(task(args=("sh", "-c", "while :; do echo tick; sleep 0.02; done")))
    await member.manager.until(lambda: len(member.manager.log_lines("early")) >= 5)
    member.manager.ask_for_log(LogWish("early", "t1", end=True))
    await eventually(lambda: not member.agent._logs._reading)


async def test_a_log_that_cannot_be_read_says_why(member: Member) -> None:
    member.manager.ask_for_log(LogWish("w1", "nobody"))
    await member.manager.until(lambda: bool(member.manager.published))
    (answer,) = member.manager.published
    assert answer.last
    assert answer.error == "task nobody has no container on this node"
