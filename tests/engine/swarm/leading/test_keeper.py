"""What the leader keeps besides the loops: keys by the clock, managers as the consensus has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fairlead.core.swarm import keys
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.effects.clock import SystemEntropy
from fairlead.engine.swarm import keeper as module
from fairlead.engine.swarm.briefing import of_cluster
from fairlead.engine.swarm.keeper import Keeper, decides_without, peer_url, statuses, with_settled_root
from fairlead.model.swarm.cluster import GOSSIP, IPSEC, Cluster, RootCa
from fairlead.model.swarm.consensus import ConsensusMember
from fairlead.model.swarm.errors import Deposed
from fairlead.model.swarm.node import MANAGER, REACHABLE, UNREACHABLE, WORKER, ManagerStatus, NodeSpec
from tests.core.swarm import builders
from tests.effects.etcd.house import Manager
from tests.engine.swarm.leading.court import Court

HOURS = 3600.0
ADDRESS = "10.77.0.1:2379"
SELF = builders.node("n1", role=MANAGER, manager=ManagerStatus(address=ADDRESS))


@asynccontextmanager
async def keeping(court: Court, alone: Manager) -> AsyncIterator[asyncio.Task[None]]:
    keeper = Keeper("n1", court.mirror, alone.consensus, court.reign.propose, court.clock, SystemEntropy())
    running = asyncio.create_task(keeper.run())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.02)
    monkeypatch.setattr(module, "CALM", 0.04)


def primaries(cluster: Cluster | None) -> dict[str, int]:
    assert cluster is not None
    found = {subsystem: keys.primary(cluster, subsystem) for subsystem in (GOSSIP, IPSEC)}
    return {subsystem: key.lamport for subsystem, key in found.items() if key is not None}


async def test_keys_are_made_anew_every_twelve_hours(court: Court, alone: Manager) -> None:
    first = keys.rotate(builders.CLUSTER, court.clock.now(), builders.ids("key"))
    await court.put(first, SELF)
    await court.until(lambda: "n1" in court.snapshot.nodes)
    async with keeping(court, alone):
        court.clock.advance(11.9 * HOURS)
        await court.until(lambda: court.snapshot.nodes["n1"].manager != SELF.manager, "a look of the keeper")
        assert primaries(court.snapshot.cluster) == {GOSSIP: 2, IPSEC: 5}
        for number in range(3):
            former = court.snapshot.cluster
            assert former is not None
            court.clock.advance(12 * HOURS)
            await court.until(lambda former=former: court.snapshot.cluster.lamport == former.lamport + 2)  # type: ignore[misc,union-attr]
            cluster = court.snapshot.cluster
            assert cluster is not None
            newest = {s: keys.ring(former, s)[-1].lamport for s in (GOSSIP, IPSEC)}
            assert primaries(cluster) == newest, f"the newest of before is sent with, rotation {number}"
            assert len({key.key for key in cluster.keys}) == len(cluster.keys) == 6
            told = of_cluster(cluster)["keys"]
            assert [one.key.lamport for one in told if one.primary] == sorted(newest.values())


async def test_the_leader_writes_how_it_stands(court: Court, alone: Manager) -> None:
    await court.put(builders.CLUSTER, SELF, builders.node("n2", role=MANAGER))
    await court.until(lambda: "n2" in court.snapshot.nodes)
    async with keeping(court, alone):
        await court.until(lambda: court.snapshot.nodes["n2"].manager is not None)
        own = court.snapshot.nodes["n1"].manager
        assert own is not None
        assert (own.leader, own.reachability, own.address) == (True, REACHABLE, ADDRESS)
        assert own.member == (await alone.member("n1")).id
        assert court.snapshot.nodes["n2"].manager == ManagerStatus(reachability=UNREACHABLE)


async def test_who_is_to_be_no_manager_leads_no_more(court: Court, alone: Manager) -> None:
    await court.put(builders.CLUSTER, SELF)
    await court.until(lambda: "n1" in court.snapshot.nodes)
    async with keeping(court, alone) as running:
        await court.until(lambda: court.snapshot.nodes["n1"].manager != SELF.manager, "a look of the keeper")
        await court.user.refresh()
        await court.put(replace(court.user.snapshot.nodes["n1"], role=WORKER, spec=NodeSpec(WORKER)))
        with pytest.raises(Deposed):
            await asyncio.wait_for(running, 30)


# --- decisions ------------------------------------------------------------------------------------


def member(name: str, *, healthy: bool = True, learner: bool = False) -> ConsensusMember:
    return ConsensusMember(name, name, f"https://{name}:2378", learner=learner, healthy=healthy)


def test_nobody_goes_whom_the_others_need_to_decide() -> None:
    three = [member("a"), member("b"), member("c", healthy=False)]
    assert decides_without(three[2], three)
    assert not decides_without(three[0], three)
    assert decides_without(member("d", learner=True), three)
    assert not decides_without(three[0], [three[0]])


def test_managers_are_known_by_their_peers_address() -> None:
    managers = [
        builders.node(name, role=MANAGER, manager=ManagerStatus(address=f"{name}:2377")) for name in ("a", "b", "c")
    ]
    members = [member("a"), member("b", healthy=False), member("c", learner=True)]
    seen = {change.thing.id: change.thing for change in statuses(members, "a", Snapshot(managers))}
    assert {name: (one.manager.leader, one.manager.reachability) for name, one in seen.items()} == {  # type: ignore[union-attr]
        "a": (True, REACHABLE),
        "b": (False, UNREACHABLE),
        "c": (False, UNREACHABLE),
    }
    again = Snapshot(seen.values())
    assert list(statuses(members, "a", again)) == []
    assert peer_url("[fd00::1]:2377") == "https://[fd00::1]:2378"


def test_the_former_root_is_trusted_as_long_as_somebody_has_papers_of_it() -> None:
    root = RootCa("NEW", digest="d2", previous="OLD", cross="CROSS")
    changing = replace(builders.CLUSTER, root=root)
    new, old = builders.node("n1", issuer="d2"), builders.node("n2", issuer="d1")
    assert with_settled_root(changing, [new, old]) is changing
    settled = with_settled_root(changing, [new])
    assert (settled.root.trust, settled.root.rotating, settled.root.cross) == ("NEW", False, "")
