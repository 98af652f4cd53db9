"""Events: what was, what comes, and listeners that do not listen."""

from __future__ import annotations

import asyncio

from fairlead.effects.clock import SystemClock
from fairlead.engine import events
from fairlead.engine.events import EventBus
from fairlead.model.event import Event


def event(number: int, kind: str = "network") -> Event:
    return Event(kind, "create", str(number), time=number)


async def collected(bus: EventBus, count: int, **options: object) -> list[str]:
    found = []
    async for one in bus.subscribe(**options):  # type: ignore[arg-type]
        found.append(one.actor)
        if len(found) == count:
            break
    return found


async def test_since_replays_and_then_follows() -> None:
    bus = EventBus(SystemClock())
    for number in range(1, 4):
        bus.publish(event(number))
    listening = asyncio.create_task(collected(bus, 3, since=2))
    await asyncio.sleep(0)
    bus.publish(event(4))
    assert await asyncio.wait_for(listening, 30) == ["2", "3", "4"]


async def test_until_in_the_past_ends_at_once() -> None:
    bus = EventBus(SystemClock())
    for number in range(1, 5):
        bus.publish(event(number))
    assert await asyncio.wait_for(collected(bus, 99, since=0, until=3), 30) == ["1", "2", "3"]


async def test_only_what_is_wanted() -> None:
    bus = EventBus(SystemClock())
    bus.publish(event(1))
    bus.publish(event(2, "container"))
    wanted = collected(bus, 99, since=0, until=9, wanted=lambda one: one.kind == "container")
    assert await asyncio.wait_for(wanted, 30) == ["2"]


async def test_memory_is_bounded() -> None:
    bus = EventBus(SystemClock())
    for number in range(1, events.MEMORY + 10):
        bus.publish(event(number))
    assert len(await collected(bus, 9999, since=0, until=9999)) == events.MEMORY


async def test_a_listener_that_falls_behind_is_ended() -> None:
    bus = EventBus(SystemClock())
    stream = bus.subscribe()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for number in range(events.BACKLOG + 5):
        bus.publish(event(number))
    assert (await first).actor == "0"
    rest = [one async for one in stream]
    assert len(rest) <= events.BACKLOG
    assert rest[0].actor == "1"
