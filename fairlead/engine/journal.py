"""Intents: what may have been half done in the kernel when the daemon died.

Before anything of a network or an endpoint is made, its whole value is written down as *intended*; when it is done, the
intent gives way to the object in one commit. Removal is the mirror image: the object gives way to its intent,
and the intent goes when the kernel has nothing left of it. Where one endpoint more is all that is made, the object is
written together with its intent, and the user waits for one commit instead of two.

So whatever is intended at boot has to be removed if it does not exist, and finished if it does; what was acknowledged
exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fairlead.engine import records
from fairlead.model.change import Change, Delete, Put
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network

Journaled = TypeVar("Journaled", Network, Endpoint)
_PREFIX = "intended-"


def intend(record: Network | Endpoint) -> Change:
    """It is about to be made."""
    return Put(_PREFIX + records.kind_of(type(record)), record.id, records.encode(record))


def begun(record: Network | Endpoint) -> list[Change]:
    """It exists, and is about to be made: after a crash it will be finished."""
    written = records.put(record)
    return [written, Put(_PREFIX + written.kind, written.id, written.value)]


def settle(record: Network | Endpoint) -> Change:
    """The kernel agrees with what the store says about it."""
    return Delete(_PREFIX + records.kind_of(type(record)), record.id)


def made(record: Network | Endpoint) -> list[Change]:
    """It exists."""
    return [records.put(record), settle(record)]


def unmade(record: Network | Endpoint) -> list[Change]:
    """It does not exist any more, and is about to be removed."""
    return [records.delete(record), intend(record)]


def unsettled(record: type[Journaled], documents: Mapping[str, Mapping[str, bytes]]) -> list[Journaled]:
    """What a crash left behind, out of the store's documents."""
    kind = _PREFIX + records.kind_of(record)
    return [records.decode(record, document) for document in documents.get(kind, {}).values()]
