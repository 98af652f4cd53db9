"""How a walk ends before the packet is where it should be."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.network import Address
from fairlead.model.trace import Hop, KnownEndpoint


class Unseen(Exception):  # noqa: N818 - not an error: the walk goes on once this namespace has been looked at
    """The packet comes into a namespace that nobody has looked at yet."""

    def __init__(self, ns: str) -> None:
        super().__init__(ns)
        self.ns = ns


class Stopped(Exception):  # noqa: N818 - what is asked for, not an error
    """The packet ends at this hop."""

    def __init__(self, hop: Hop) -> None:
        super().__init__(hop.told)
        self.hop = hop


@dataclass(frozen=True, slots=True)
class Tunnel:
    """To the node at `vtep` by the network `vni`; `owner` is there, if somebody is known to have the address."""

    vtep: Address
    vni: int
    owner: KnownEndpoint | None = None


class Departed(Exception):  # noqa: N818 - what is asked for, not an error
    """The packet leaves this host by a link, towards a neighbour, perhaps through a tunnel."""

    def __init__(self, ns: str, link: str, target: Address, tunnel: Tunnel | None = None) -> None:
        super().__init__(link)
        self.ns, self.link, self.target, self.tunnel = ns, link, target, tunnel
