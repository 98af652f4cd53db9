"""The store: what was committed is there again, also when the process dies right after."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent

import pytest

from fairlead.effects.store.sqlite import SqliteStore, _prepare
from fairlead.model.change import Delete, Put
from fairlead.model.errors import Failed


async def test_documents_by_kind_and_id(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.commit([Put("network", "a", b"1"), Put("network", "b", b"2"), Put("endpoint", "a", b"3")])
    await store.commit([Put("network", "a", b"4"), Delete("network", "b"), Delete("network", "never")])
    store.close()
    again = SqliteStore(tmp_path / "state.db")
    assert again.load() == {"network": {"a": b"4"}, "endpoint": {"a": b"3"}}
    again.close()


async def test_commits_that_wait_together_are_all_written(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await asyncio.gather(*(store.commit([Put("network", str(number), b"x")]) for number in range(200)))
    store.close()
    again = SqliteStore(tmp_path / "state.db")
    assert len(again.load()["network"]) == 200
    again.close()


def test_an_acknowledged_commit_survives_the_death_of_the_process(tmp_path: Path) -> None:
    assert kept_over_death(tmp_path, 'await store.commit([Put("network", "a", b"1")])') == {"network": {"a": b"1"}}


def test_what_is_written_survives_the_death_of_the_process(tmp_path: Path) -> None:
    """Also when it had no time to reach the disk."""
    steps = """
await store.commit([Put("network", "a", b"1")])
os.fdatasync = lambda descriptor: threading.Event().wait()
durable = asyncio.ensure_future(await store.write([Put("network", "a", b"2")]))
assert not (await asyncio.wait([durable], timeout=0.1))[0]
"""
    assert kept_over_death(tmp_path, steps) == {"network": {"a": b"2"}}


def kept_over_death(folder: Path, steps: str) -> Mapping[str, Mapping[str, bytes]]:
    """What a store has after a process took these steps on it and killed itself."""
    program = f"""
import asyncio, os, threading
from pathlib import Path
from fairlead.effects.store.sqlite import SqliteStore
from fairlead.model.change import Put
async def main():
    store = SqliteStore(Path({str(folder / "state.db")!r}))
{indent(steps.strip(), "    ")}
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    died = subprocess.run([sys.executable, "-c", program], cwd=os.getcwd(), timeout=30, check=False)
    assert died.returncode == -9
    store = SqliteStore(folder / "state.db")
    kept = store.load()
    store.close()
    return kept


async def test_others_write_while_the_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.commit([Put("network", "a", b"1")])
    ready = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: ready.wait())
    first = asyncio.ensure_future(await store.write([Put("network", "a", b"2")]))
    second = asyncio.ensure_future(await store.write([Put("network", "b", b"3")]))
    assert not (await asyncio.wait([first, second], timeout=0.1))[0]
    ready.set()
    await asyncio.gather(first, second)
    store.close()


async def test_the_disk_may_be_asked_about_when_it_is_done(tmp_path: Path) -> None:
    """Nobody waits while it works; who asks then is told at once."""
    store = SqliteStore(tmp_path / "state.db")
    durable = await store.write([Put("network", "a", b"1")])
    await store.commit([Put("network", "b", b"1")])
    async with asyncio.timeout(20):
        await durable
    store.close()


async def test_what_was_begun_is_written_in_its_turn_by_whoever_comes_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    first = store.begin([Put("network", "a", b"1"), Put("network", "b", b"1")])
    second = store.begin([Put("network", "a", b"2")])
    await asyncio.to_thread(second.now)
    assert store.load() == {"network": {"a": b"2", "b": b"1"}}
    third = store.begin([Put("network", "a", b"3")])
    await store.commit([Put("network", "b", b"4")])
    assert store.load() == {"network": {"a": b"3", "b": b"4"}}
    for begun in (first, second, third):
        begun.now()
        await begun.durable
    store.begin([Delete("network", "a")])
    store.close()
    again = SqliteStore(tmp_path / "state.db")
    assert again.load() == {"network": {"b": b"4"}}
    again.close()


async def test_what_was_begun_and_cannot_be_written_is_reported(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store._database.execute("PRAGMA query_only=ON")
    begun = store.begin([Put("network", "a", b"1")])
    with pytest.raises(Failed, match="the state could not be written"):
        begun.now()
    with pytest.raises(Failed, match="the state could not be written"):
        await begun.durable
    store.close()


async def test_what_is_posted_is_written_before_later_commits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    await store.commit([Put("network", "a", b"1"), Put("network", "b", b"1")])
    store.post([Delete("network", "a"), Put("network", "b", b"2")])
    await store.commit([Put("network", "a", b"2")])
    assert store.load() == {"network": {"a": b"2", "b": b"2"}}
    store.post([Delete("network", "a")])
    store.begin([]).now()
    assert store.load() == {"network": {"b": b"2"}}
    store.close()


async def test_what_is_posted_is_written_without_a_commit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.post([Put("network", "a", b"1")])
    async with asyncio.timeout(30):
        while not store.load():  # noqa: ASYNC110 - a thread writes it
            await asyncio.sleep(0.01)
    store.post([Put("network", "b", b"1")])
    store.close()
    again = SqliteStore(tmp_path / "state.db")
    assert set(again.load()["network"]) == {"a", "b"}
    again.close()


async def test_nothing_is_written_any_more_once_the_disk_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "state.db")

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(Failed, match="the state could not be written"):
            await store.commit([Put("network", "a", b"1")])
    with pytest.raises(Failed, match="the state could not be written"):
        await store.commit([Put("network", "b", b"1")])
    with pytest.raises(Failed, match="the state could not be written"):
        await store.write([Put("network", "b", b"1")])
    assert "b" not in store.load()["network"]
    store.close()


def test_where_there_is_no_log_sqlite_syncs_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    database = sqlite3.connect(":memory:")
    descriptor = _prepare(database, path)
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    os.close(descriptor)
    database.close()


def test_it_closes_when_nobody_waits_for_its_answers_any_more(tmp_path: Path) -> None:
    async def ask() -> SqliteStore:
        store = SqliteStore(tmp_path / "state.db")
        asyncio.ensure_future(store.commit([Put("network", "a", b"1")]))  # noqa: RUF006 - it is given up
        store.begin([Put("network", "b", b"1")])
        return store

    asyncio.run(ask()).close()
    again = SqliteStore(tmp_path / "state.db")
    assert "b" in again.load()["network"]
    again.close()


def test_two_daemons_cannot_share_one_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    with pytest.raises(Failed, match=r"another daemon runs on .*--data-root"):
        SqliteStore(tmp_path / "state.db")
    store.close()


async def test_a_disk_that_refuses_is_reported(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store._database.execute("PRAGMA query_only=ON")
    with pytest.raises(Failed, match="the state could not be written"):
        await store.commit([Put("network", "a", b"1")])
    store._database.execute("PRAGMA query_only=OFF")
    await store.commit([Put("network", "b", b"1")])
    store.close()
