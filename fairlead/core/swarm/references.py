"""What services name and cannot do without: while one does, it must not go. Who makes a service reads these and writes
none of them, and who removes one reads services and writes none; so the store is asked that neither has happened since
the other decided.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.swarm.changes import Change, Drop, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.service import Service


def newly_needed(change: Change, snapshot: Snapshot) -> list[Thing]:
    """The objects that a service names from this change on, as they are now; of those that it named before none."""
    service = change.thing
    if isinstance(change, Drop) or not isinstance(service, Service):
        return []
    known = snapshot.services.get(service.id)
    before = {one.id for one in _named(known, snapshot)} if known is not None else set()
    return [one for one in _named(service, snapshot) if one.id not in before]


def _named(service: Service, snapshot: Snapshot) -> Iterator[Thing]:
    template = service.spec.template
    ids = [one.target for one in template.networks]
    yield from (snapshot.networks[id_] for id_ in dict.fromkeys(ids) if id_ in snapshot.networks)
    if template.container is None:
        return
    secrets, configs = template.container.secrets, template.container.configs
    yield from (snapshot.secrets[id_] for id_ in {one.object_id for one in secrets} if id_ in snapshot.secrets)
    yield from (snapshot.configs[id_] for id_ in {one.object_id for one in configs} if id_ in snapshot.configs)


def ends(change: Change, snapshot: Snapshot) -> bool:
    """Can no service name it any more after this change, though one could before?"""
    thing = change.thing
    if isinstance(thing, Secret | Config):
        return isinstance(change, Drop)
    if not isinstance(thing, SwarmNetwork):
        return False
    known = snapshot.networks.get(thing.id)
    return known is not None and not known.pending_delete and (isinstance(change, Drop) or thing.pending_delete)
