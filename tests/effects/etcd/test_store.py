"""The store on one member: what a commit asks, what a watch tells."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from fairlead.effects.etcd.gateway import Gateway
from fairlead.effects.etcd.store import EtcdStore
from fairlead.model.swarm.errors import Deposed, NameTaken, Outdated, Stale
from fairlead.model.swarm.identity import Peer
from fairlead.model.swarm.store import Entry, Fence
from tests.effects.etcd.house import CLUSTER, HOUR, Manager, service, task


async def told(store: EtcdStore, after: int, until: int) -> list[tuple[int, list[Entry]]]:
    """What the watch says of the revisions after one up to another, those with objects."""
    heard: list[tuple[int, list[Entry]]] = []
    async with asyncio.timeout(30), aclosing(store.watch(after)) as watch:  # type: ignore[type-var]
        async for entries, revision in watch:
            if entries:
                heard.append((revision, list(entries)))
            if revision >= until:
                return heard
    raise AssertionError("the watch ended")


def ids(entries: Sequence[Entry]) -> set[str]:
    return {entry.id for entry in entries}


class TestCommit:
    async def test_is_read_back_with_its_revision(self, alone: Manager) -> None:
        revision = await alone.store.commit([task("t1", value=b"\x00\xffbinary")])
        entries, at = await alone.store.load()
        assert entries == [Entry("task", "t1", b"\x00\xffbinary", revision)]
        assert at >= revision

    async def test_refuses_a_version_that_does_not_stand(self, alone: Manager) -> None:
        first = await alone.store.commit([task("t1")])
        await alone.store.commit([task("t1", version=first, value=b"2")])
        with pytest.raises(Outdated, match="t1"):
            await alone.store.commit([task("t1", version=first, value=b"3")])
        with pytest.raises(Outdated):
            await alone.store.commit([task("t1", version=0)])
        assert (await alone.store.load())[0][0].value == b"2"

    async def test_is_all_or_nothing(self, alone: Manager) -> None:
        await alone.store.commit([task("there")])
        with pytest.raises(Outdated):
            await alone.store.commit([task("new"), task("there")])
        assert ids((await alone.store.load())[0]) == {"there"}

    async def test_takes_64_objects_with_names_and_fence(self, alone: Manager) -> None:
        leadership = await alone.store.campaign("n1", 2)
        writes = [service(f"s{number}", f"name{number}", value=b"x" * 10_000) for number in range(64)]
        revision = await alone.store.commit(writes, leadership.fence)
        entries, _ = await alone.store.load()
        assert {entry.version for entry in entries} == {revision}
        assert len(entries) == 64
        await leadership.resign()

    async def test_reads_more_than_one_page_at_one_revision(self, alone: Manager) -> None:
        for page in range(17):
            await alone.store.commit([task(f"t{page}.{number}") for number in range(64)])
        entries, _ = await alone.store.load()
        assert len(ids(entries)) == 17 * 64

    async def test_takes_what_docker_allows_of_a_config(self, alone: Manager) -> None:
        value = b"x" * (1_400_000)
        await alone.store.commit([task("big", value=value)])
        assert (await alone.store.load())[0][0].value == value


class TestNames:
    async def test_are_unique_without_regard_to_case(self, alone: Manager) -> None:
        await alone.store.commit([service("s1", "Web")])
        with pytest.raises(NameTaken, match="web"):
            await alone.store.commit([service("s2", "web")])

    async def test_differ_between_kinds(self, alone: Manager) -> None:
        first = service("s1", "web")
        await alone.store.commit([first])
        await alone.store.commit([type(first)("network", "n1", b"{}", 0, "web")])

    async def test_are_free_again_after_removal_and_renaming(self, alone: Manager) -> None:
        first = await alone.store.commit([service("s1", "web")])
        second = await alone.store.commit([service("s1", "shop", first, old_name="web")])
        await alone.store.commit([service("s2", "web")])
        with pytest.raises(NameTaken):
            await alone.store.commit([service("s3", "shop")])
        await alone.store.commit([service("s1", "", second, old_name="shop", value=None)])
        await alone.store.commit([service("s3", "shop")])

    async def test_pass_from_one_to_another_in_one_transaction(self, alone: Manager) -> None:
        store = alone.store
        first = await store.commit([service("s1", "web"), service("s2", "shop")])
        await store.commit([service("s1", "shop", first, old_name="web"), service("s2", "web", first, old_name="shop")])
        with pytest.raises(NameTaken):
            await store.commit([service("s3", "web")])
        second = await store.commit([service("s4", "", 0)])
        entries = {entry.id: entry.version for entry in (await store.load())[0]}
        gone = service("s1", "", entries["s1"], old_name="shop", value=None)
        await store.commit([gone, service("s4", "shop", second)])
        with pytest.raises(NameTaken):
            await store.commit([service("s5", "shop")])

    async def test_one_of_many_at_once_gets_it(self, alone: Manager) -> None:
        async def attempt(number: int) -> bool:
            try:
                await alone.store.commit([service(f"s{number}", "web")])
            except NameTaken:
                return False
            return True

        assert sum(await asyncio.gather(*map(attempt, range(20)))) == 1
        assert len((await alone.store.load())[0]) == 1


class TestFence:
    async def test_that_stands_lets_write(self, alone: Manager) -> None:
        leadership = await alone.store.campaign("n1", 2)
        await alone.store.commit([task("t1")], leadership.fence)
        await leadership.resign()

    async def test_that_fell_lets_nothing_be_written(self, alone: Manager) -> None:
        first = await alone.store.campaign("n1", 2)
        await first.resign()
        second = await alone.store.campaign("n2", 2)
        with pytest.raises(Deposed):
            await alone.store.commit([task("t1")], first.fence)
        with pytest.raises(Deposed):
            await alone.store.commit([task("t1")], Fence(first.fence.key, 0))
        assert (await alone.store.load())[0] == []
        await second.resign()


class TestWatch:
    async def test_tells_transactions_whole_and_in_order(self, alone: Manager) -> None:
        store = alone.store
        start = await store.revision()
        first = await store.commit([task("a"), task("b")])
        second = await store.commit([task("a", version=first, value=None), task("c")])
        heard = await told(store, start, second)
        assert [(revision, ids(entries)) for revision, entries in heard] == [(first, {"a", "b"}), (second, {"a", "c"})]
        gone = next(entry for entry in heard[1][1] if entry.id == "a")
        assert gone == Entry("task", "a", None, second)

    async def test_tells_of_transactions_without_objects(self, alone: Manager) -> None:
        start = await alone.store.revision()
        leadership = await alone.store.campaign("n1", 2)
        assert await told(alone.store, start, await alone.store.revision()) == []
        await leadership.resign()

    async def test_goes_on_after_the_member_was_killed(self, alone: Manager) -> None:
        store = alone.store
        start = await store.revision()
        heard: list[str] = []

        async def listen() -> None:
            async for entries, _ in store.watch(start):
                heard.extend(entry.id for entry in entries)

        listening = asyncio.create_task(listen())
        await store.commit([task("before")])
        alone.kill()
        async with asyncio.timeout(30):
            while "after" not in heard:
                try:
                    await store.commit([task("after")])
                except Exception:
                    await asyncio.sleep(0.05)
        listening.cancel()
        assert heard == ["before", "after"]

    async def test_joins_the_parts_of_a_long_history(self, alone: Manager) -> None:
        store = alone.store
        start = await store.revision()
        last = 0
        for number in range(12):
            last = await store.commit([task(f"{number}", value=b"x" * 1_300_000)])
        heard = await told(store, start, last)
        assert [ids(entries) for _, entries in heard] == [{str(number)} for number in range(12)]

    async def test_says_when_history_is_gone(self, alone: Manager) -> None:
        store = alone.store
        first = await store.commit([task("t1")])
        second = await store.commit([task("t1", version=first)])
        gateway = Gateway(alone.folder / "run" / "swarm" / "client:0")
        await gateway.call("kv/compaction", {"revision": str(second), "physical": True})
        gateway.close()
        with pytest.raises(Stale):
            await told(store, first - 1, second)


class TestDoors:
    async def test_no_client_port_is_open_and_the_socket_is_roots(self, alone: Manager) -> None:
        listening = alone.space.run("ss", "-Hltn").split("\n")
        assert [line.split()[3] for line in listening if line] == [f"{alone.address}:2380"]
        folder = (alone.folder / "run" / "swarm").stat()
        assert stat.S_IMODE(folder.st_mode) == 0o700
        assert stat.S_IMODE((alone.folder / "run" / "swarm" / "consensus.pem").stat().st_mode) == 0o600

    @pytest.mark.parametrize("stranger", ["nobody", "forger", "another swarm's member", "a node"])
    async def test_members_refuse(self, alone: Manager, stranger: str) -> None:
        shown = credentials(alone, stranger)
        assert answer(alone, *shown).returncode != 0
        assert "etcdserver" not in answer(alone, *shown).stdout

    async def test_members_receive_a_member(self, alone: Manager) -> None:
        assert "etcdserver" in answer(alone, *credentials(alone, "a member")).stdout


def credentials(manager: Manager, stranger: str) -> tuple[str, ...]:
    """curl's flags to come as this stranger."""
    if stranger == "nobody":
        return ()
    authority, now = manager.house.authority, time.time_ns()
    if stranger == "a node":
        key, csr = authority.request()
        files = authority.issue(manager.house.root, csr, Peer("n9", "manager", CLUSTER), now, HOUR) + key
    else:
        root = authority.root(now) if stranger == "forger" else None
        cluster = "cluster2" if stranger.startswith("another") else CLUSTER
        made = manager.files(root, cluster=cluster)
        files = made.certificate + made.key
    pem = manager.folder / "stranger.pem"
    pem.write_text(files)
    return "--cert", str(pem)


def answer(manager: Manager, *flags: str) -> subprocess.CompletedProcess[str]:
    """What the member's door for members says."""
    trust = manager.folder / "root.pem"
    trust.write_text(manager.house.root.certificate)
    command = ("curl", "-sS", "--http1.1", "-m", "5", "--cacert", str(trust), *flags, f"{manager.url}/version")
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
