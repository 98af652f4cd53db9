"""Between the swarm's objects and the entries of its store.

A document never holds its own version: that is the store's revision of its last write, and known from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fairlead.core.swarm import references
from fairlead.core.swarm.changes import Change, Drop, Put, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine import records
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.store import Entry, Write
from fairlead.model.swarm.task import Task

KINDS: Mapping[str, type[Thing]] = {
    "cluster": Cluster,
    "node": Node,
    "service": Service,
    "task": Task,
    "network": SwarmNetwork,
    "secret": Secret,
    "config": Config,
}
_WORDS: Mapping[type, str] = {kind: word for word, kind in KINDS.items()}


def kind_of(thing: Thing) -> str:
    return _WORDS[type(thing)]


def unique_name(thing: Thing | None) -> str:
    """The name that no other object of the kind may have; "" for kinds whose names may repeat. A network that is to
    go gives its name up while its last containers still stop."""
    if isinstance(thing, Service | Secret | Config):
        return thing.spec.name
    if isinstance(thing, SwarmNetwork) and not thing.pending_delete:
        return thing.spec.name
    return ""


def write(change: Change, snapshot: Snapshot, revision: int) -> Write:
    """What the store is asked; `snapshot` is the writer's copy of it, which holds all up to `revision`."""
    thing, known = change.thing, snapshot.present(change.thing)
    value = None if isinstance(change, Drop) else records.encode(replace(thing, version=0))
    name = "" if value is None else unique_name(thing)
    needs = tuple((kind_of(one), one.id, one.version) for one in references.newly_needed(change, snapshot))
    since = revision if references.ends(change, snapshot) else None
    return Write(kind_of(thing), thing.id, value, thing.version, name, unique_name(known), needs, since)


def thing(entry: Entry) -> Thing:
    """The object of an entry that was not deleted. Raises `msgspec.DecodeError` or `ValueError`."""
    assert entry.value is not None
    found: Thing = records.decode(KINDS[entry.kind], entry.value)
    return replace(found, version=entry.version)


def dated(change: Change, now: int) -> Change:
    """The change as it is written now."""
    if isinstance(change, Drop):
        return change
    return Put(replace(change.thing, updated=now, created=change.thing.created or now))


def at(written: Thing, version: int) -> Thing:
    """The object as the store has it since `version`."""
    return replace(written, version=version)
