"""Logs in conmon's format: read from either end, followed, turned over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.effects.oci.logformat import last_lines, parse, parse_time
from fairlead.effects.oci.logs import LogFiles, turn_over
from fairlead.model.container import Container, ContainerSpec
from fairlead.model.runtime import STDERR, STDOUT, LogEntry, LogQuery

SECOND = 1_000_000_000
ID = "ab" * 32
CONTAINER = Container(ID, "web", 0, ContainerSpec("i"), "sha256:0", ("top",))


def line(second: int, text: str, stream: str = "stdout", tag: str = "F") -> str:
    return f"2026-11-21T12:00:{second:02d}.000000005+00:00 {stream} {tag} {text}\n"


def at(second: int) -> int:
    moment = parse_time(b"2026-11-21T12:00:00+00:00")
    assert moment is not None
    return moment + second * SECOND


@pytest.fixture
def logs(tmp_path: Path) -> LogFiles:
    (tmp_path / ID).mkdir()
    return LogFiles(tmp_path, lambda container: (0, 1), lambda container_id: None)


async def texts(logs: LogFiles, query: LogQuery) -> list[str]:
    return [entry.data.decode() async for entry in logs.entries(CONTAINER, query, None)]


def test_a_line() -> None:
    assert parse(b"2026-11-21T13:00:01.5+01:00 stderr P a  b") == LogEntry(
        at(1) + SECOND // 2, STDERR, b"a  b", complete=False
    )
    assert parse(b"2026-11-21T12:00:01Z stdout F ") == LogEntry(at(1), STDOUT, b"", complete=True)


@given(st.binary(max_size=80).filter(lambda data: b"\n" not in data))
def test_any_line_is_an_entry_or_nothing(data: bytes) -> None:
    assert parse(data) is None or isinstance(parse(data), LogEntry)


@given(st.binary(max_size=80).filter(lambda data: b"\n" not in data))
def test_any_output_comes_back_as_it_was(data: bytes) -> None:
    entry = parse(b"2026-11-21T12:00:01Z stdout F " + data)
    assert entry is not None
    assert entry.data == data


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 6))
def test_the_last_lines_are_whole(completes: list[bool], count: int) -> None:
    entries = [LogEntry(index, STDOUT, b"x", complete) for index, complete in enumerate(completes)]
    last = last_lines(entries, count)
    assert entries[len(entries) - len(last) :] == last
    begins_a_line = len(last) == len(entries) or entries[len(entries) - len(last) - 1].complete
    assert begins_a_line or not last
    lines = sum(entry.complete for entry in last) + bool(last and not last[-1].complete)
    assert lines == min(count, sum(completes) + bool(entries and not completes[-1]))


async def test_streams_times_and_tails(logs: LogFiles) -> None:
    logs.path(ID).write_text(
        line(1, "a") + line(2, "b", "stderr") + line(3, "c") + line(4, "d", tag="P") + line(4, "e")
    )
    assert await texts(logs, LogQuery()) == ["a", "b", "c", "d", "e"]
    assert await texts(logs, LogQuery(stderr=False)) == ["a", "c", "d", "e"]
    assert await texts(logs, LogQuery(tail=1)) == ["d", "e"]
    assert await texts(logs, LogQuery(tail=2, stderr=False)) == ["c", "d", "e"]
    assert await texts(logs, LogQuery(tail=0)) == []
    assert await texts(logs, LogQuery(since=at(3))) == ["c", "d", "e"]
    assert await texts(logs, LogQuery(until=at(2) + SECOND // 2)) == ["a", "b"]


async def test_a_container_without_output_has_an_empty_log(logs: LogFiles) -> None:
    assert await texts(logs, LogQuery()) == []
    assert await texts(logs, LogQuery(tail=5)) == []


async def test_a_long_log_is_not_read_from_its_beginning(logs: LogFiles) -> None:
    logs.path(ID).write_text("".join(line(number % 60, f"{number}") for number in range(20_000)))
    assert await texts(logs, LogQuery(tail=3)) == ["19997", "19998", "19999"]
    assert len(await texts(logs, LogQuery(tail=10_000))) == 10_000


async def test_older_files_are_part_of_the_log(logs: LogFiles) -> None:
    path = logs.path(ID)
    for number, texts_ in enumerate((["a", "b"], ["c"], ["d"])):
        path.write_text("".join(line(number, text) for text in texts_))
        if number < 2:
            turn_over(path, 3)
    assert await texts(logs, LogQuery()) == ["a", "b", "c", "d"]
    assert await texts(logs, LogQuery(tail=3)) == ["b", "c", "d"]
    turn_over(path, 3)
    path.write_text(line(4, "e"))
    assert await texts(logs, LogQuery()) == ["c", "d", "e"]


async def test_following_ends_with_the_container_and_misses_nothing(logs: LogFiles) -> None:
    path = logs.path(ID)
    path.write_text(line(1, "stored") + line(1, "also")[:20])
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    first = asyncio.Event()

    async def follow() -> None:
        async for entry in logs.entries(CONTAINER, LogQuery(tail=1, follow=True), ended):
            seen.append(entry.data.decode())
            first.set()

    task = asyncio.create_task(follow())
    await asyncio.wait_for(first.wait(), 30)
    with path.open("a") as file:
        file.write(line(1, "also")[20:] + line(2, "live"))
    fresh = path.with_suffix(".new")
    fresh.write_text(line(3, "in a fresh file"))
    first.clear()
    await asyncio.wait_for(first.wait(), 30)
    fresh.rename(path)
    with path.open("a") as file:
        file.write(line(4, "last"))
    ended.set_result(0)
    await asyncio.wait_for(task, 30)
    assert seen == ["stored", "also", "live", "in a fresh file", "last"]


async def test_a_full_log_is_turned_over_and_conmon_told(tmp_path: Path) -> None:
    (tmp_path / ID).mkdir()
    told = asyncio.Event()

    def reopen(container_id: str) -> None:
        path.write_text("")
        told.set()

    logs = LogFiles(tmp_path, lambda container: (100, 2), reopen)
    path = logs.path(ID)
    path.write_text("")
    logs.follow_rotation(CONTAINER)
    try:
        with path.open("a") as file:
            file.write(line(1, "x" * 200))
        await asyncio.wait_for(told.wait(), 30)
        assert path.with_name(f"{path.name}.1").exists()
    finally:
        logs.close()
