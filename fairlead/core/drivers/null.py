"""No network: a namespace with nothing but loopback."""

from __future__ import annotations

from fairlead.core.drivers.contract import Abilities
from fairlead.core.drivers.host import Bare


class Null(Bare):
    """`--network none`."""

    name = "null"
    can = Abilities(addressed=False, combines=False, singleton=True, names=False)
