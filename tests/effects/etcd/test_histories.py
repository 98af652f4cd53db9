"""Random writers on three members under random faults, and the store's history against what was promised.

What was acknowledged is in the history at its revision, once and whole; what was refused is not in it at all; what was
left open is in it once or never. Every write stands on the version that it asked for, and no two objects ever have one
name. All members tell the same history.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fairlead.effects.etcd.store import EtcdStore
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.errors import Outdated
from fairlead.model.swarm.store import Entry, Write
from tests.effects.etcd.house import Manager, eventually

OBJECTS = ("a", "b", "c")
NAMES = ("web", "Web", "shop", "")
FAULTS = ("kill", "cut", "pause", "none", "none")


@dataclass(frozen=True)
class Step:
    """Through member `member` write `objects` (id, name, deletes?); `stale` asks for an old version."""

    member: int
    objects: tuple[tuple[str, str, bool], ...]
    stale: bool


@dataclass
class Record:
    """What a writer remembers of a commit."""

    writes: Sequence[Write]
    revision: int = 0
    outcome: str = "open"


@dataclass
class Known:
    """The versions and names that the writers last heard of, shared and so often out of date."""

    versions: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


steps = st.builds(
    Step,
    member=st.integers(0, 2),
    objects=st.lists(
        st.tuples(st.sampled_from(OBJECTS), st.sampled_from(NAMES), st.sampled_from((False, False, True))),
        min_size=1,
        max_size=2,
        unique_by=(lambda wish: wish[0], lambda wish: wish[1].lower()),
    ).map(tuple),
    stale=st.sampled_from((False, False, False, True)),
)
faults = st.tuples(st.sampled_from(FAULTS), st.integers(0, 2))


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    scripts=st.lists(st.lists(steps, min_size=8, max_size=25), min_size=3, max_size=4),
    fault=faults,
)
async def test_history(three: list[Manager], scripts: list[list[Step]], fault: tuple[str, int]) -> None:
    start = await cleared(three[0].store)
    known, records = Known(), [[] for _ in scripts]  # type: ignore[var-annotated]
    writers = [
        asyncio.create_task(write(three, script, f"{number}", known, record))
        for number, (script, record) in enumerate(zip(scripts, records, strict=True))
    ]
    strike(three[fault[1]], fault[0])
    await asyncio.wait(writers, timeout=2.5)
    mend(three[fault[1]], fault[0])
    await asyncio.gather(*writers)
    histories = [await history(manager, start) for manager in three]
    assert histories[0] == histories[1] == histories[2]
    check(histories[0], [record for own in records for record in own])


async def write(managers: list[Manager], script: list[Step], writer: str, known: Known, records: list[Record]) -> None:
    for number, step in enumerate(script):
        record = Record([made(wish, step.stale, f"{writer}.{number}", known) for wish in step.objects])
        records.append(record)
        try:
            record.revision = await managers[step.member].store.commit(record.writes)
        except Outdated:
            record.outcome = "refused"
            await asyncio.sleep(0)
        except Unavailable as error:
            record.outcome = "open" if "may or may not" in error.message else "refused"
        else:
            record.outcome = "done"
            for one in record.writes:
                known.versions[one.id] = record.revision if one.value is not None else 0
                known.names[one.id] = one.name


def made(wish: tuple[str, str, bool], stale: bool, mark: str, known: Known) -> Write:
    id_, name, delete = wish
    version = known.versions.get(id_, 0)
    old_name = known.names.get(id_, "")
    if stale:
        version = max(0, version - 1)
    if delete and version:
        return Write("service", id_, None, version, "", old_name)
    return Write("service", id_, f"{mark} {name}".encode(), version, name, old_name)


def strike(manager: Manager, fault: str) -> None:
    if fault != "none":
        getattr(manager, fault)()


def mend(manager: Manager, fault: str) -> None:
    if fault == "cut":
        manager.heal()
    elif fault == "pause":
        manager.resume()


async def cleared(store: EtcdStore) -> int:
    """The revision at which nothing is there."""

    async def clear() -> bool:
        try:
            entries, revision = await store.load()
            gone = [replace(Write("service", one.id, None, one.version), old_name=name_in(one)) for one in entries]
            if gone:
                await store.commit(gone)
            cleared.revision = revision  # type: ignore[attr-defined]
        except (Unavailable, Outdated):
            return False
        return not gone

    await eventually(clear, 20)
    return cleared.revision  # type: ignore[attr-defined, no-any-return]


async def history(manager: Manager, start: int) -> list[tuple[int, list[Entry]]]:
    async def now() -> bool:
        try:
            end.append(await manager.store.revision())
        except Unavailable:
            return False
        return True

    end: list[int] = []
    await eventually(now, 20)
    heard: list[tuple[int, list[Entry]]] = []
    if end[-1] == start:
        return heard
    async with asyncio.timeout(30), aclosing(manager.store.watch(start)) as watch:  # type: ignore[type-var]
        async for entries, revision in watch:
            if entries:
                heard.append((revision, sorted(entries, key=lambda entry: entry.id)))
            if revision >= end[-1]:
                break
    return heard


def name_in(entry: Entry) -> str:
    return (entry.value or b"").decode().partition(" ")[2]


def check(told: list[tuple[int, list[Entry]]], records: list[Record]) -> None:
    at = {revision: {entry.id: entry.value for entry in entries} for revision, entries in told}
    done = {record.revision: record for record in records if record.outcome == "done"}
    assert len(done) == sum(record.outcome == "done" for record in records), "two commits of one revision"
    for revision, record in done.items():
        assert at[revision] == {one.id: one.value for one in record.writes}, "an acknowledged write was lost"
    refused = {one.value for record in records if record.outcome == "refused" for one in record.writes if one.value}
    seen = Counter(entry.value for _, entries in told for entry in entries if entry.value is not None)
    assert not refused & set(seen), "a refused write was made"
    assert not [value for value, times in seen.items() if times > 1], "a write was made twice"
    replay(told, done)


def replay(told: list[tuple[int, list[Entry]]], done: dict[int, Record]) -> None:
    """No write on another version than it asked for, no name twice."""
    versions: dict[str, int] = {}
    names: dict[str, str] = {}
    for revision, entries in told:
        if revision in done:
            for one in done[revision].writes:
                assert versions.get(one.id, 0) == one.version, "written over what was not read"
        for entry in entries:
            if entry.value is None:
                versions.pop(entry.id, None)
                names.pop(entry.id, None)
            else:
                versions[entry.id] = revision
                names[entry.id] = name_in(entry).lower()
        held = [name for name in names.values() if name]
        assert len(held) == len(set(held)), f"a name twice at {revision}: {names}"
