"""The managers' store, sealed: on a real etcd, whose files are searched for what must not be in them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from fairlead.effects.pki.sealed_store import SealedStore
from fairlead.model.errors import Failed
from fairlead.model.swarm.store import Entry, Write
from tests.effects.etcd.conftest import alone, host, house
from tests.effects.etcd.house import Manager

__all__ = ["alone", "host", "house"]

KEY, OTHER = "5e" * 32, "a1" * 32
SECRET = b"correct horse battery staple"


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_what_is_sealed_is_read_back_and_watched(alone: Manager) -> None:
    store = SealedStore(alone.store, KEY)
    before = await store.revision()
    revision = await store.commit([Write("secret", "s1", SECRET, 0, "pass"), Write("secret", "s2", b"", 0, "none")])
    assert (await store.load())[0] == [Entry("secret", "s1", SECRET, revision), Entry("secret", "s2", b"", revision)]
    await store.commit([Write("secret", "s1", None, revision, "pass")])
    values: list[bytes | None] = []
    async with asyncio.timeout(30), aclosing(store.watch(before)) as watch:
        async for entries, _ in watch:
            values += [entry.value for entry in entries if entry.id == "s1"]
            if None in values:
                break
    assert values == [SECRET, None]


async def test_the_disk_tells_no_secret(alone: Manager) -> None:
    await alone.store.commit([Write("config", "open", b"an open " + SECRET[:7], 0, "open")])
    await SealedStore(alone.store, KEY).commit([Write("secret", "s1", SECRET, 0, "pass")])
    await alone.consensus.stop()
    files = written(alone.folder / "data")
    assert b"an open correct" in files
    assert SECRET not in files


async def test_another_key_opens_nothing(alone: Manager) -> None:
    await SealedStore(alone.store, KEY).commit([Write("secret", "s1", SECRET, 0, "pass")])
    with pytest.raises(Failed, match="secret s1 in the swarm's store is not sealed with this swarm's key"):
        await SealedStore(alone.store, OTHER).load()


async def test_an_object_is_not_put_in_anothers_place(alone: Manager) -> None:
    await SealedStore(alone.store, KEY).commit([Write("secret", "s1", SECRET, 0, "pass")])
    (entry,) = (await alone.store.load())[0]
    for kind, name in (("secret", "s2"), ("config", "s1")):
        await alone.store.commit([Write(kind, name, entry.value, 0, name)])
    with pytest.raises(Failed, match="not sealed"):
        await SealedStore(alone.store, KEY).load()


async def test_a_damaged_value_is_told(alone: Manager) -> None:
    for value in (b"", b"x" * 11, b"x" * 40):
        written_at = await alone.store.commit([Write("task", "t", value, 0)])
        with pytest.raises(Failed, match="task t"):
            await SealedStore(alone.store, KEY).load()
        await alone.store.commit([Write("task", "t", None, written_at)])
