"""One network as this node takes part in it: its own endpoints there, and the view of everybody's."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.view import NetworkView, Row
from fairlead.model.discovery import Presence
from fairlead.model.network import Network


class Group:
    """`own` are this node's endpoints by id. `heard_at` is when the group was entered or something of it last heard,
    `joined_at` since when other nodes are heard at all, `told` whether all that they know of it is known here."""

    def __init__(self, network: Network, node_id: str, now: float) -> None:
        self.network = network
        self.node_id = node_id
        self.own: dict[str, Presence] = {}
        self.view = NetworkView(node_id)
        self.heard_at = now
        self.joined_at: float | None = None
        self.told = False
        self._written = 0

    def announce(self, presence: Presence) -> None:
        self._written += 1
        self.own[presence.endpoint_id] = presence
        self.view.put(presence, self._written)

    def withdraw(self, endpoint_id: str) -> Presence | None:
        """What was announced of it; None for nothing."""
        presence = self.own.pop(endpoint_id, None)
        if presence is not None:
            self.view.drop(Origin(presence.node_id, endpoint_id))
        return presence

    def shown(self) -> Iterator[Row]:
        """The rows of nodes that live."""
        return (row for row in self.view.rows() if not row.silent)
