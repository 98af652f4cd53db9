"""The host as it was last seen."""

from __future__ import annotations

from fairlead.engine.ports import Kernel
from fairlead.model.host import HostFacts


class Host:
    """`facts` are of the last look: good for what does not change under the daemon (features, owner, uplink). Who
    needs routes, addresses or links as they are now looks again."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.facts = HostFacts()

    async def look(self) -> HostFacts:
        self.facts = await self._kernel.facts()
        return self.facts
