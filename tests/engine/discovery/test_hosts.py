"""Containers and services of several hosts by name, over real sockets in namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from fairlead.core.discovery.presence import encode
from fairlead.engine.discovery.node import TABLE
from fairlead.model.endpoint import EndpointSpec
from tests.effects.kernel.conftest import run
from tests.engine import builders
from tests.engine.discovery.town import ATT, CLUSTER, Town, keys, town, within

PATIENCE = 30.0


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path) as made:
        yield made


@pytest.fixture
async def abc(three: Town) -> Town:
    """A container on each host, known to all."""
    for number, node in enumerate(three.nodes):
        await node.put("abc"[number], att=f"10.0.1.{11 + number}")
    await three.agree(PATIENCE)
    return three


async def test_containers_of_all_hosts_resolve_and_reach_each_other(abc: Town) -> None:
    for node, me in zip(abc.nodes, "abc", strict=True):
        for number, other in enumerate("abc"):
            assert abc.resolve(node, me, other) == abc.resolve(node, me, f"{other}.att") == {f"10.0.1.{11 + number}"}
        await node.overlays.settled()
    assert abc.resolve(abc[0], "a", "13.1.0.10.in-addr.arpa", "PTR") == {"c.att."}
    assert abc[0].reaches("a", "10.0.1.13")
    assert abc[2].reaches("c", "10.0.1.12")


async def test_a_container_that_stops_or_leaves_is_unknown_everywhere(abc: Town) -> None:
    await abc[1].stop("b")
    await within(PATIENCE, lambda: not abc.resolve(abc[0], "a", "b") and not abc.resolve(abc[2], "c", "b"))
    await abc[2].disconnect("att", "c")
    await within(PATIENCE, lambda: not abc.resolve(abc[0], "a", "c"))
    assert abc.rows(abc[2]) == set(), "who has left a network keeps nothing of it"
    await abc[2].connect("att", "c", ipv4="10.0.1.33")
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "c") == {"10.0.1.33"})
    await within(PATIENCE, lambda: abc.resolve(abc[2], "c", "a") == {"10.0.1.11"})


async def test_a_renamed_container_answers_to_its_new_name_on_other_hosts(abc: Town) -> None:
    await abc[1].rename("b", "bee")
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "bee") == {"10.0.1.12"})
    assert not abc.resolve(abc[0], "a", "b")


async def test_one_name_on_two_hosts_is_both(abc: Town) -> None:
    for node, address in zip(abc.nodes[1:], ("10.0.1.21", "10.0.1.22"), strict=True):
        await node.put("twin", att=address)
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "twin") == {"10.0.1.21", "10.0.1.22"})


async def test_a_service_is_one_address_while_its_tasks_come_and_go(abc: Town) -> None:
    one, two = abc.task(abc[1], "web", 1, "10.0.1.41"), abc.task(abc[2], "web", 2, "10.0.1.42")
    await abc.discovery(abc[1]).announce(ATT.id, replace(one, serving=False))
    await abc.discovery(abc[2]).announce(ATT.id, two)
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "tasks.web") == {"10.0.1.42"})
    await abc.discovery(abc[1]).announce(ATT.id, one)
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "tasks.web") == {"10.0.1.41", "10.0.1.42"})
    assert abc.resolve(abc[0], "a", "web") == {"10.0.1.2"}
    assert abc.resolve(abc[0], "a", "2.1.0.10.in-addr.arpa", "PTR") == {"web.att."}
    await abc.discovery(abc[2]).withdraw(ATT.id, two.endpoint_id)
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "tasks.web") == {"10.0.1.41"})
    await abc.discovery(abc[1]).withdraw(ATT.id, one.endpoint_id)
    await within(PATIENCE, lambda: not abc.resolve(abc[0], "a", "web"))


async def test_who_serves_no_more_is_heeded_when_nobody_is_sent_to_it_any_more(abc: Town) -> None:
    one, two = abc.task(abc[1], "web", 1, "10.0.1.41"), abc.task(abc[2], "web", 2, "10.0.1.42")
    await abc.discovery(abc[1]).announce(ATT.id, one)
    await abc.discovery(abc[2]).announce(ATT.id, two)
    everybody = [(abc[number], "abc"[number]) for number in range(3)]
    for node, me in everybody:
        await within(PATIENCE, lambda node=node, me=me: len(abc.resolve(node, me, "tasks.web")) == 2)  # type: ignore[misc]
    await abc.discovery(abc[1]).announce(ATT.id, replace(one, serving=False))
    assert await abc.discovery(abc[1]).heeded(ATT.id, one.endpoint_id, PATIENCE)
    for node, me in everybody:
        assert abc.resolve(node, me, "tasks.web") == {"10.0.1.42"}


async def test_who_cannot_be_reached_is_waited_for_a_while_and_who_is_gone_is_not(abc: Town) -> None:
    one = abc.task(abc[1], "web", 1, "10.0.1.41")
    await abc.discovery(abc[1]).announce(ATT.id, one)
    await within(PATIENCE, lambda: abc.resolve(abc[2], "c", "tasks.web"))
    abc.cut(abc[2])
    await abc.discovery(abc[1]).announce(ATT.id, replace(one, serving=False))
    assert not await abc.discovery(abc[1]).heeded(ATT.id, one.endpoint_id, 0.3)
    assert await abc.discovery(abc[1]).heeded(ATT.id, one.endpoint_id, 20), "it is found to be gone meanwhile"


async def test_a_killed_node_leaves_names_at_once_and_forwarding_never(abc: Town) -> None:
    await abc.kill(abc[2])
    await within(PATIENCE, lambda: not abc.resolve(abc[0], "a", "c") and not abc.resolve(abc[1], "b", "c"))
    await abc[0].overlays.settled()
    assert abc[0].reaches("a", "10.0.1.13"), "its container still runs"
    await abc.wake(abc[2])
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "c") == {"10.0.1.13"})
    await within(PATIENCE, lambda: abc.resolve(abc[2], "c", "a") == {"10.0.1.11"})


async def test_a_node_that_leaves_the_swarm_is_forgotten_at_once(abc: Town) -> None:
    await abc.discoveries.pop(abc[2]).stop()
    await within(PATIENCE, lambda: len(abc.rows(abc[0])) == len(abc.rows(abc[1])) == 2)


async def test_stale_entries_of_a_node_that_missed_everything_do_not_survive_its_return(abc: Town) -> None:
    """moby#42833, #30134, #52661 and their kin: forwarding and names of tasks that are long gone, on nodes that were
    away while these went, until somebody restarts a daemon."""
    abc.cut(abc[2])
    await within(15, lambda: not abc.resolve(abc[0], "a", "c"))
    await abc[1].stop("b")
    await abc[1].put("heir", att="10.0.1.12")
    await abc[0].put("new", att="10.0.1.51")
    await abc[2].put("lonely", att="10.0.1.52")
    abc.heal(abc[2])
    await abc.agree(PATIENCE)
    assert abc.resolve(abc[2], "c", "heir") == {"10.0.1.12"}
    assert not abc.resolve(abc[2], "c", "b")
    assert abc.resolve(abc[0], "a", "lonely") == {"10.0.1.52"}
    await abc[2].overlays.settled()
    assert abc[2].reaches("c", "10.0.1.12")
    assert abc[2].reaches("c", "10.0.1.51")


async def test_what_an_earlier_life_has_left_outlives_managers_that_are_slow_to_speak(abc: Town) -> None:
    """A minute after its start a daemon on a crowded machine knows of nobody yet: half a table turns clients away."""
    await abc.kill(abc[0])
    await abc.rise(abc[0])
    discovery = abc.discovery(abc[0])
    group = discovery._groups[ATT.id]
    group.heard_at -= 60
    discovery._look_whether_alone()
    assert ATT.id in discovery._outlets._inherited
    await abc.tell(abc[0])
    await within(PATIENCE, lambda: group.told)
    assert len(abc.rows(abc[0])) == 3
    await within(PATIENCE, lambda: ATT.id not in discovery._outlets._inherited)


async def test_connections_outlive_gossip_that_is_lost_on_a_wire_that_is_not(abc: Town) -> None:
    for rule in (
        "add table inet cut",
        "add chain inet cut in { type filter hook input priority -300 ; }",
        "add rule inet cut in th dport 7946 drop",
    ):
        run("nft", rule, ns=abc[2].place)
    await within(15, lambda: not abc.resolve(abc[0], "a", "c") and not abc.resolve(abc[1], "b", "c"))
    await abc[0].overlays.settled()
    assert abc[0].reaches("a", "10.0.1.13")
    assert abc[2].reaches("c", "10.0.1.11")
    run("nft", "delete table inet cut", ns=abc[2].place)
    await abc.agree(5)
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "c") == {"10.0.1.13"})


async def test_a_partition_heals_without_a_trace(abc: Town) -> None:
    before = abc.rows(abc[0])
    abc.cut(abc[1])
    await within(PATIENCE, lambda: not abc.resolve(abc[0], "a", "b") and not abc.resolve(abc[2], "c", "b"))
    abc.heal(abc[1])
    await abc.agree(5)
    assert abc.rows(abc[0]) == before
    await within(PATIENCE, lambda: abc.resolve(abc[0], "a", "b") == {"10.0.1.12"})
    assert abc.resolve(abc[1], "b", "c") == {"10.0.1.13"}


async def test_rows_that_cannot_be_are_refused_and_counted(abc: Town) -> None:
    """A member with the right key that writes rows in its own name, but not like one of us."""
    liar = abc.discovery(abc[2])._node
    assert liar is not None
    assert liar._node is not None
    good = abc.task(abc[2], "web", 1, "10.0.1.41")
    foreign = encode(replace(good, node_id="somebodyelse"))
    for key, value in {
        "junk": b"\0" * 3000,
        "big": b"x" * 60_000,
        "foreign": foreign,
        "web1": encode(good)[:-4],
    }.items():
        liar._node.set_entry(ATT.id, TABLE, key, value, asyncio.get_running_loop().time())
    liar._turn()
    await within(PATIENCE, lambda: sum(abc.discovery(abc[0])._hearing.refused.values()) == 4)
    assert set(abc.discovery(abc[0])._hearing.refused) <= {"shape", "size", "owner"}
    assert len(abc.rows(abc[0])) == 3
    assert not abc.resolve(abc[0], "a", "web")


async def test_nobody_steals_an_address_that_a_local_container_has(abc: Town) -> None:
    thief = replace(abc.task(abc[2], "evil", 1, "10.0.1.11"), mac=abc[0].endpoint("a", "att").mac)
    await abc.discovery(abc[2]).announce(ATT.id, thief)
    await within(PATIENCE, lambda: any(endpoint == "evil1" for endpoint, _ in abc.rows(abc[0])))
    assert not abc.resolve(abc[0], "a", "tasks.evil")
    assert abc.resolve(abc[0], "a", "a") == {"10.0.1.11"}


async def test_keys_change_while_names_do(abc: Town) -> None:
    """The ring moves on node by node while rows are written, and no packet is lost. (Here within moments, where
    managers take hours: so everybody must have heard a step before the next one.)"""
    before = _peer_errors(abc)
    for step, ring in enumerate((keys(1, 2, primary=1), keys(1, 2, 3, primary=2), keys(2, 3, 4, primary=3))):
        abc.keys = ring
        for node in abc.nodes:
            await abc.tell(node)
            await abc.discovery(node).announce(ATT.id, abc.task(node, f"s{step}", abc.nodes.index(node), "10.0.1.99"))
        await abc.agree(3)
    assert len(abc.rows(abc[0])) == 3 + 9
    assert _peer_errors(abc) == before


async def test_nothing_is_said_without_keys_and_local_names_work_nevertheless(three: Town) -> None:
    node = three[0]
    await three.kill(node)
    three.keys = []
    await three.wake(node)
    await node.put("x", att="10.0.1.71")
    await node.put("y", att="10.0.1.72")
    assert three.resolve(node, "x", "y") == {"10.0.1.72"}
    assert not three.discovery(node).report().get("name")


async def test_a_node_that_moves_to_another_address_takes_its_endpoints_along(abc: Town) -> None:
    node = abc[2]
    await abc.discovery(node).announce(ATT.id, abc.task(node, "web", 1, "10.0.1.41"))
    moved = ip_address("192.168.60.77")
    run("ip", "address", "add", f"{moved}/24", "dev", "eth0", ns=node.place)
    node.address = moved
    await abc.discovery(node).start(abc.name(node), moved, CLUSTER)
    await abc.tell(node)
    for other in abc.nodes[:2]:
        group = abc.discovery(other)._groups[ATT.id]
        await within(
            PATIENCE,
            lambda group=group: [str(row.presence.vtep) for row in group.shown()].count(str(moved)) == 2,
        )


async def test_a_task_s_container_is_left_to_whoever_runs_it(three: Town) -> None:
    at = {"att": EndpointSpec(ipv4="10.0.1.12")}
    plain = builders.container("web.1.abc", "att", endpoints=at)
    await three[0].put("asker", att="10.0.1.11")
    await three[0].add(replace(plain, spec=replace(plain.spec, task_id="abc")))
    await three[0].run("web.1.abc")
    assert not three.resolve(three[0], "asker", "web.1.abc")
    assert len(three.rows(three[0])) == 1


async def test_inspect_shows_nodes_and_services(abc: Town) -> None:
    await abc.discovery(abc[1]).announce(ATT.id, abc.task(abc[1], "web", 1, "10.0.1.41"))
    shown = abc.discovery(abc[0])
    await within(PATIENCE, lambda: len(shown.services(ATT.id)) == 2)
    assert [peer.address for peer in shown.peers(ATT.id)] == [str(node.address) for node in abc.nodes]
    loose, web = shown.services(ATT.id)
    assert [(task.name, task.address, task.host) for task in loose.tasks] == [
        (name, f"10.0.1.{11 + number}", str(abc[number].address)) for number, name in enumerate("abc")
    ]
    assert (web.name, web.vip, web.index, web.tasks[0].name) == ("web", "10.0.1.2", 256, "web.1.abc")


def _peer_errors(town: Town) -> list[object]:
    """What each node has refused of others' packets, by reason."""
    reports = (town.discovery(node).report()["counters"] for node in town.nodes)
    return [dict(counters["peer_errors"]) for counters in reports if isinstance(counters, dict)]
