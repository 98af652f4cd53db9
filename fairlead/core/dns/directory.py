"""All zones by network, and the views on them that are in use."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakValueDictionary

from fairlead.core.dns.name import encode_name, fold
from fairlead.core.dns.view import View, Window
from fairlead.core.dns.zone import Entry, NetworkZone


@dataclass(frozen=True, slots=True)
class Sight:
    """One network (id and name) that a sandbox sees, and its private aliases there as (alias, target) in text."""

    network: str
    name: str
    aliases: tuple[tuple[str, str], ...] = ()


class Directory:
    """Zones are made when first needed and go when they are empty and unseen; equal views are one view."""

    def __init__(self) -> None:
        self._zones: dict[str, NetworkZone] = {}
        self._views: WeakValueDictionary[tuple[Sight, ...], View] = WeakValueDictionary()

    def put(self, network: str, name: str, entry: Entry) -> None:
        """The entry of its owner on the network (id and name) is now this one."""
        self._zone(network, name).put(entry)

    def drop(self, network: str, owner: str) -> None:
        """The owner is gone from the network; unknown is fine."""
        zone = self._zones.get(network)
        if zone is None:
            return
        zone.drop(owner)
        if not zone and not zone.watched:
            del self._zones[network]

    def learning(self, network: str, name: str) -> None:
        """More names of the network are there than are known: who asks for one that is not is to ask again."""
        self._zone(network, name).partial = True

    def learned(self, network: str) -> None:
        """All its names are known; unknown is fine."""
        if (zone := self._zones.get(network)) is not None:
            zone.partial = False

    def view(self, sights: tuple[Sight, ...]) -> View:
        """The view on these networks, asked in this order."""
        view = self._views.get(sights)
        if view is None:
            view = View([Window(self._zone(sight.network, sight.name), _wire(sight)) for sight in sights])
            self._views[sights] = view
        return view

    def _zone(self, network: str, name: str) -> NetworkZone:
        zone = self._zones.get(network)
        if zone is None:
            zone = self._zones[network] = NetworkZone(name)
        return zone


def _wire(sight: Sight) -> dict[bytes, bytes]:
    pairs = ((encode_name(alias), encode_name(target)) for alias, target in sight.aliases)
    return {fold(alias): fold(target) for alias, target in pairs if alias is not None and target is not None}
