"""What the packet filter has to know about one network, as its driver read it from the network's options."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

NAT, UNPROTECTED, ROUTED, ISOLATED = "nat", "nat-unprotected", "routed", "isolated"
"""Gateway modes: translate and protect; translate, but let others route to containers; only route; no gateway."""

GATEWAY_MODES = (NAT, UNPROTECTED, ROUTED, ISOLATED)


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """`link` is the network's bridge. `icc`: its containers may talk to each other. `masquerade`: translate what goes
    out, to `source4`/`source6` where given. `trusted` interfaces may reach containers directly."""

    link: str
    internal: bool = False
    icc: bool = True
    masquerade: bool = True
    mode4: str = NAT
    mode6: str = NAT
    source4: IPv4Address | None = None
    source6: IPv6Address | None = None
    trusted: tuple[str, ...] = ()

    def mode(self, version: int) -> str:
        return self.mode4 if version == 4 else self.mode6

    def source(self, version: int) -> IPv4Address | IPv6Address | None:
        return self.source4 if version == 4 else self.source6
