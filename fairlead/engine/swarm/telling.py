"""What `docker events` shows of the swarm, on every manager: changes of the store with what they changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from fairlead.core.swarm.changes import Change, Drop, Thing
from fairlead.engine.events import EventBus
from fairlead.engine.ports import Clock
from fairlead.engine.swarm.mirror import Mirror
from fairlead.model.event import Event
from fairlead.model.network import SWARM
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import MANAGER, Node
from fairlead.model.swarm.service import REPLICATED, Service

_KINDS: Mapping[type, str] = {
    Node: "node",
    Service: "service",
    SwarmNetwork: "network",
    Secret: "secret",
    Config: "config",
}


async def tell_events(mirror: Mirror, events: EventBus, clock: Clock) -> None:
    """Until cancelled."""
    known = {thing.id: thing for thing in mirror.snapshot.things() if type(thing) in _KINDS}
    with closing(mirror.changes()) as subscription:
        async for changes in subscription:
            for change in changes:
                if type(change.thing) in _KINDS:
                    events.publish(_event(change, known.get(change.thing.id), clock.now()))
                    _remember(change, known)


def _remember(change: Change, known: dict[str, Thing]) -> None:
    if isinstance(change, Drop):
        known.pop(change.thing.id, None)
    else:
        known[change.thing.id] = change.thing


def _event(change: Change, old: Thing | None, now: int) -> Event:
    thing = change.thing
    action = "remove" if isinstance(change, Drop) else "update" if old is not None else "create"
    attributes = {"name": _name(thing)}
    if action == "update":
        attributes |= _differences(_facts(old), _facts(thing))
    return Event(_KINDS[type(thing)], action, thing.id, now, attributes, SWARM)


def _name(thing: Thing) -> str:
    return thing.description.hostname if isinstance(thing, Node) else str(getattr(thing.spec, "name", ""))


def _facts(thing: Thing | None) -> dict[str, str]:
    """What an update tells with its old and its new value."""
    return dict(_told(thing))


def _told(thing: Thing | None) -> Iterator[tuple[str, str]]:
    if isinstance(thing, Node):
        yield "state", thing.status.state
        yield "availability", thing.spec.availability
        yield "role", thing.role
        if thing.role == MANAGER and thing.manager is not None:
            yield "leader", "true" if thing.manager.leader else "false"
            yield "reachability", thing.manager.reachability
    elif isinstance(thing, Service):
        if thing.spec.mode.kind == REPLICATED:
            yield "replicas", str(thing.spec.mode.replicas)
        if thing.update is not None:
            yield "updatestate", thing.update.state


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    told = {}
    for name, value in new.items():
        if old.get(name) != value:
            told[f"{name}.new"] = value
            if name in old:
                told[f"{name}.old"] = old[name]
    return told
