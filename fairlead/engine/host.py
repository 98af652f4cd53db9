"""The host as it was last seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fairlead.engine.ports import Kernel
from fairlead.model.host import HostFacts, Underlay
from fairlead.model.network import Address


class Host:
    """`facts` are of the last look: good for what does not change under the daemon (features, owner, uplink). Who
    needs routes, addresses or links as they are now looks again.

    `underlay` is what the swarm says about the way to its other nodes; how large packets may be on its first link is
    seen here. `paths` are the largest packets that reach each of the others, as far as it was found out.
    """

    def __init__(self, kernel: Kernel, namespaces: Path) -> None:
        self._kernel, self._namespaces = kernel, str(namespaces)
        self.facts = HostFacts(namespaces=self._namespaces)
        self.underlay: Underlay | None = None
        self.paths: Mapping[Address, int] = {}

    async def look(self) -> HostFacts:
        seen = await self._kernel.facts()
        self.facts = replace(seen, namespaces=self._namespaces, underlay=self._measured(seen))
        return self.facts

    def _measured(self, seen: HostFacts) -> Underlay | None:
        """The underlay with the MTU of the link that has its address; behind a translated address, of the uplink."""
        if self.underlay is None:
            return None
        link = next((link for link, address in seen.held if address == self.underlay.address), seen.uplink)
        there = seen.links.get(link)
        mtu = there.mtu if there else seen.mtu
        path = min(self.paths.values(), default=0)
        return replace(self.underlay, mtu=mtu, path=path if path < mtu else 0)
