"""What every verb on images works with: the catalogue, the shelf, the hands, the clock and the events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.core.images.config import parse_config
from fairlead.core.images.moment import rfc3339
from fairlead.engine.images.catalogue import Catalogue, Stored
from fairlead.engine.images.ports import ImageHands
from fairlead.engine.images.shelf import Hold, Shelf
from fairlead.engine.locks import KeyedLocks
from fairlead.engine.memory import Memory
from fairlead.model.errors import Invalid
from fairlead.model.event import Event
from fairlead.model.image import Image, Tag
from fairlead.model.reference import Reference


class Library:
    """`lock` is held while a change of the catalogue is decided and committed: bringing, tagging, removing.

    `pulls` makes those who pull the same reference take turns: the second finds what the first brought.
    """

    def __init__(self, memory: Memory, hands: ImageHands) -> None:
        self.hands, self.state = hands, memory.state
        self.catalogue = Catalogue(memory.store)
        self.shelf = Shelf(self.catalogue, hands.layers, hands.blobs)
        self.lock = asyncio.Lock()
        self.pulls = KeyedLocks()
        self._clock, self._events = memory.clock, memory.events

    def now(self) -> int:
        """ns since the epoch."""
        return self._clock.now()

    def timestamp(self) -> str:
        return rfc3339(self._clock.now())

    async def register(
        self,
        raw: bytes,
        hold: Hold,
        references: Sequence[Reference] = (),
        manifest: bytes = b"",
        parent: str = "",
    ) -> Image:
        """Make an image out of its configuration and its layers, which `hold` holds, and point references at it.

        An image that is here already only gets the references. Raises `Invalid` when a layer is missing.
        """
        async with self.lock:
            image = parse_config(raw, "")
            held = {layer.id: layer for layer in hold.layers}
            if missing := [layer for layer in image.layers if layer not in held]:
                raise Invalid(f"invalid image: its layer {missing[0]} is missing")
            image = replace(image, id=self.hands.blobs.write(raw), parent=parent)
            image = self.catalogue.images.get(image.id, image)
            if manifest and not image.manifest:
                image = replace(image, manifest=self.hands.blobs.write(manifest))
            if references:
                image = replace(image, tagged=self.now())
            layers: list[Stored] = [held[diff_id] for diff_id in dict.fromkeys(image.layers)]
            await self.catalogue.change([*layers, image, *(Tag(name.full, image.id) for name in references)])
            return image

    async def point(self, image: Image, references: Sequence[Reference]) -> None:
        """Let references mean an image; those that meant another one move. The caller holds `lock`."""
        moved = replace(image, tagged=self.now())
        await self.catalogue.change([moved, *(Tag(name.full, image.id) for name in references)])

    async def name_by_digest(self, image: Image, reference: Reference) -> None:
        """Note the digest under which a registry has an image. The caller holds `lock`."""
        await self.catalogue.change([Tag(reference.full, image.id)])

    def announce(self, action: str, image: Image, name: str = "", actor: str = "") -> None:
        """Publish an event about an image; `name` is what the user called it, its id if nothing."""
        attributes: Mapping[str, str] = {**image.config.labels, "name": name or image.id}
        self._events.publish(Event("image", action, actor or image.id, self.now(), attributes))

    def announce_prune(self, reclaimed: int) -> None:
        self._events.publish(Event("image", "prune", "", self.now(), {"reclaimed": str(reclaimed)}))
