"""Attachments: the networks that a container is meant to be on, whether it runs or not.

An `Endpoint` exists while its container runs; an attachment outlives it and is what the next start
makes endpoints of. Networks are remembered by name, as Docker does: a network that is removed and
made again under its name is the same network to the containers that want it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fairlead.model.endpoint import EndpointSpec


@dataclass(frozen=True, slots=True)
class Lodging:
    """A place on a network of the swarm that the managers gave: the task that stands for it, and what the user had
    asked for before the given addresses took its place."""

    task_id: str
    asked: EndpointSpec = field(default_factory=EndpointSpec)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One wish. `network_id` is the network's id when it was last used, "" before that; `names` are the DNS names
    given at that time or at connect. `typed` tells whether the user gave an endpoint configuration at all (the API
    shows an empty one and none differently). `egress`: nobody's wish, but the engine's, for a way out. `lodging` is the
    place that its addresses came with, on a network of the swarm."""

    network: str
    spec: EndpointSpec = field(default_factory=EndpointSpec)
    network_id: str = ""
    names: tuple[str, ...] = ()
    typed: bool = False
    egress: bool = False
    lodging: Lodging | None = None


@dataclass(frozen=True, slots=True)
class Attachments:
    """All wishes of one container in the order of their connection. `id` is the container's id."""

    id: str
    wishes: tuple[Attachment, ...] = ()

    def find(self, network: str) -> Attachment | None:
        return next((wish for wish in self.wishes if wish.network == network), None)

    def without(self, network: str) -> Attachments:
        return replace(self, wishes=tuple(wish for wish in self.wishes if wish.network != network))

    def put(self, wish: Attachment) -> Attachments:
        """With `wish` in its old place, or at the end if it is new."""
        if self.find(wish.network) is None:
            return replace(self, wishes=(*self.wishes, wish))
        return replace(self, wishes=tuple(wish if old.network == wish.network else old for old in self.wishes))
