"""What an earlier life of the daemon has left in sandboxes, which balance on as they did.

Balancing is told nothing of their networks before all is known that others know of all of them: a table that is written
with half of it would turn away the clients of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.model.network import Network


class Inheritance:
    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._untold: set[str] = set()

    def begin(self, networks: Iterable[Network]) -> None:
        """On these networks there are sandboxes of an earlier life."""
        self._networks = {network.id: network for network in networks}
        self._untold = set(self._networks)

    def untold(self) -> tuple[Network, ...]:
        """Those of which more is expected."""
        return tuple(self._networks[one] for one in self._untold)

    def __contains__(self, network_id: str) -> bool:
        return network_id in self._networks

    @property
    def has_mesh(self) -> bool:
        return any(network.ingress for network in self._networks.values())

    def told(self, network_id: str) -> None:
        """All is known of the network, or it was left."""
        self._untold.discard(network_id)

    def enough(self) -> None:
        """Nothing more is to be waited for."""
        self._untold.clear()

    @property
    def is_over(self) -> bool:
        """Whether what is left is due to be replaced."""
        return bool(self._networks) and not self._untold

    def end(self) -> tuple[Network, ...]:
        """The networks whose sandboxes hold no longer what was left there; none while that goes on."""
        if self._untold:
            return ()
        ended, self._networks = tuple(self._networks.values()), {}
        return ended
