"""Following etcd: what changed after a revision, over broken connections, transaction by transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import groupby

from fairlead.effects.etcd.gateway import (
    Gateway,
    Interrupted,
    Json,
    Refused,
    Unreachable,
    bytes64,
    number,
    rows,
    text64,
)
from fairlead.effects.etcd.keys import OBJECTS, end_of, of_object
from fairlead.model.swarm.errors import Stale
from fairlead.model.swarm.store import Entry

EVERYTHING = "/fairlead/"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


async def objects(gateway: Gateway, after: int) -> AsyncGenerator[tuple[Sequence[Entry], int], None]:
    """Every transaction after revision `after`: the objects it wrote and its revision. A transaction that touched no
    object is told too (with none), so that a reader knows how far it has come. Raises `Stale`."""
    async with aclosing(follow(gateway, EVERYTHING, end_of(EVERYTHING), after)) as history:
        async for events in history:
            for at, written in groupby(events, _at):
                yield [entry for event in written if (entry := _entry(event)) is not None], at


async def follow(gateway: Gateway, key: str, end: str, after: int) -> AsyncGenerator[list[Json], None]:
    """Events of the keys from `key` up to `end` ("": of that key) after a revision, in order. A revision is never split
    between two lists. Opens the watch anew for as long as it takes when it breaks."""
    pause = _FIRST_PAUSE
    while True:
        try:
            async with aclosing(_watch(gateway, key, end, after)) as watch:
                async for events in watch:
                    after, pause = _at(events[-1]), _FIRST_PAUSE
                    yield events
        except (Refused, Interrupted, Unreachable):
            pass
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _watch(gateway: Gateway, key: str, end: str, after: int) -> AsyncGenerator[list[Json], None]:
    bounds = {"key": text64(key), **({"range_end": text64(end)} if end else {})}
    wish = {"create_request": {**bounds, "start_revision": str(after + 1), "fragment": True}}
    parts: list[Json] = []
    async with aclosing(gateway.stream("watch", wish)) as messages:
        async for message in messages:
            if number(message, "compact_revision"):
                raise Stale(f"the store's history after revision {after} is gone")
            if message.get("canceled"):
                return
            parts += rows(message, "events")
            if parts and not message.get("fragment"):
                whole, parts = parts, []
                yield whole


def _at(event: Json) -> int:
    pair = event["kv"]
    assert isinstance(pair, dict)
    return number(pair, "mod_revision")


def _entry(event: Json) -> Entry | None:
    """The object of an event; None for other keys."""
    pair = event["kv"]
    assert isinstance(pair, dict)
    key = bytes64(pair["key"]).decode()
    if not key.startswith(OBJECTS):
        return None
    gone = event.get("type") == "DELETE"
    return Entry(*of_object(key), None if gone else bytes64(pair.get("value", "")), _at(event))
