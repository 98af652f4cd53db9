"""What one commit asks of etcd: compares that must all hold, and what to do when they do.

An object's version is the revision of its key's last write, so compares on it cost etcd an index look-up each. The name
of an object is a key of its own that must not exist when it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.effects.etcd.gateway import Json, text64
from fairlead.effects.etcd.keys import name_key, need_key, object_key
from fairlead.model.swarm.store import Fence, Write

MOST_OPERATIONS = 512
"""etcd's --max-txn-ops: 64 objects with their names and more."""


def compares(writes: Sequence[Write], fence: Fence | None) -> Iterator[Json]:
    """What must stand for the writes."""
    if fence is not None:
        yield created(fence.key, fence.revision)
    leaving = {name_key(write.kind, write.old_name): write.id for write in writes if gives_up_name(write)}
    for write in writes:
        if write.version is not None:
            yield modified(object_key(write.kind, write.id), write.version)
        if takes_name(write):
            key = name_key(write.kind, write.name)
            yield holds(key, leaving[key]) if key in leaving else created(key, 0)
        for kind, id_, version in write.needs:
            yield modified(object_key(kind, id_), version)
        if write.unneeded_since is not None:
            yield unwritten(need_key(write.kind, write.id), write.unneeded_since)


def operations(writes: Sequence[Write]) -> Iterator[Json]:
    """What the writes do. etcd lets a transaction touch a key once: a name that one object gives up and another takes
    is only written."""
    names: dict[str, str | None] = {name_key(one.kind, one.old_name): None for one in writes if gives_up_name(one)}
    names |= {name_key(one.kind, one.name): one.id for one in writes if takes_name(one)}
    for write in writes:
        key = object_key(write.kind, write.id)
        yield delete(key) if write.value is None else put(key, write.value)
    for key, holder in names.items():
        yield delete(key) if holder is None else put(key, holder.encode())
    needs = {need_key(kind, id_): True for one in writes for kind, id_, _ in one.needs}
    gone = {need_key(one.kind, one.id): False for one in writes if one.unneeded_since is not None and one.value is None}
    for key, needed in (gone | needs).items():
        yield put(key, b"") if needed else delete(key)


def takes_name(write: Write) -> bool:
    return write.value is not None and bool(write.name) and write.name.lower() != write.old_name.lower()


def gives_up_name(write: Write) -> bool:
    if not write.old_name:
        return False
    return write.value is None or write.name.lower() != write.old_name.lower()


def created(key: str, revision: int) -> Json:
    """Compare: the key was made at this revision (0: it does not exist)."""
    return {"key": text64(key), "target": "CREATE", "result": "EQUAL", "create_revision": str(revision)}


def modified(key: str, revision: int) -> Json:
    """Compare: the key was last written at this revision (0: it does not exist)."""
    return {"key": text64(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}


def unwritten(key: str, since: int) -> Json:
    """Compare: the key was not written after this revision."""
    return {"key": text64(key), "target": "MOD", "result": "LESS", "mod_revision": str(since + 1)}


def holds(key: str, value: str) -> Json:
    """Compare: the key has this value."""
    return {"key": text64(key), "target": "VALUE", "result": "EQUAL", "value": text64(value)}


def put(key: str, value: bytes, lease: int = 0) -> Json:
    bound = {"lease": str(lease)} if lease else {}
    return {"request_put": {"key": text64(key), "value": text64(value), **bound}}


def delete(key: str) -> Json:
    return {"request_delete_range": {"key": text64(key)}}


def get(key: str) -> Json:
    return {"request_range": {"key": text64(key)}}
