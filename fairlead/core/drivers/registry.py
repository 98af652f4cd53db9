"""The drivers by name. Who needs one asks here, and asks it what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fairlead.core.drivers.bridge import Bridge
from fairlead.core.drivers.contract import Driver
from fairlead.core.drivers.host import Host
from fairlead.core.drivers.ipvlan import Ipvlan
from fairlead.core.drivers.macvlan import Macvlan
from fairlead.core.drivers.null import Null
from fairlead.core.drivers.overlay import Overlay
from fairlead.model.errors import NotFound

_ALL: tuple[Driver, ...] = (Bridge(), Host(), Null(), Macvlan(), Ipvlan(), Overlay())

DRIVERS: Mapping[str, Driver] = MappingProxyType({driver.name: driver for driver in _ALL})


def driver(name: str) -> Driver:
    """The driver of that name; an empty one means bridge. Raises NotFound."""
    found = DRIVERS.get(name or Bridge.name)
    if found is None:
        raise NotFound(f'plugin "{name}" not found')
    return found
