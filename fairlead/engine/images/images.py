"""`engine.images`: the verbs of `docker image`, each in a module of its own; this class joins them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fairlead.core.images.manifest import parse_platform
from fairlead.engine.images import bringing, listing, loading, removing
from fairlead.engine.images.bringing import CommitWishes, ImportWishes
from fairlead.engine.images.library import Library
from fairlead.engine.images.listing import HistoryView, ImageView
from fairlead.engine.ports import ImageHands
from fairlead.model.container import Container
from fairlead.model.errors import Invalid
from fairlead.model.image import Image, Layer, Progress, Removed
from fairlead.model.reference import is_tag, parse_reference

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

Filters = Mapping[str, Sequence[str]]


class Images:
    """All refusals have Docker's words. Whatever is returned has been committed."""

    def __init__(self, engine: Engine, hands: ImageHands) -> None:
        self._library = Library(engine, hands)
        self._catalogue = self._library.catalogue

    def load_state(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds and remove what no document speaks of (at boot)."""
        self._catalogue.load(documents)
        self._library.hands.layers.keep_only(self._catalogue.layers.values())
        self._library.hands.blobs.keep_only(self._catalogue.blobs())

    # --- reads ------------------------------------------------------------------------------------

    def get(self, text: str) -> Image:
        """By name, digest, id or unique id prefix. Raises `NotFound` "No such image: X:latest", `Invalid`."""
        return self._catalogue.get(text)

    def layers(self, image_id: str) -> list[Layer]:
        """Bottom first. Raises KeyError for an image that is gone."""
        return self._catalogue.layers_of(self._catalogue.images[image_id])

    def view(self, text: str) -> ImageView:
        return listing.view(self._catalogue, self.get(text))

    def name_of(self, image_id: str) -> str:
        """The first tag of an image; "" if it has none."""
        tags = (reference.familiar for reference in self._catalogue.references(image_id) if reference.tag)
        return next(tags, "")

    def list(self, filters: Filters, every: bool = False, shared: bool = False) -> list[ImageView]:
        return listing.list_images(self._library, filters, every, shared)

    def history(self, text: str) -> Sequence[HistoryView]:
        return listing.history(self._catalogue, self.get(text))

    def count(self) -> int:
        """As `docker info` counts: images, not names."""
        return len(self._catalogue.images)

    def layers_size(self) -> int:
        return listing.layers_size(self._catalogue)

    # --- verbs ------------------------------------------------------------------------------------

    async def import_image(self, stream: AsyncIterator[bytes], source: str, wishes: ImportWishes) -> Image:
        return await bringing.import_image(self._library, stream, source, wishes)

    async def commit(self, container: Container, wishes: CommitWishes) -> Image:
        return await bringing.commit(self._library, container, wishes)

    def load(self, stream: AsyncIterator[bytes], platform: str = "") -> AsyncIterator[Progress]:
        wanted = parse_platform(platform, self._library.hands.registry.host)
        return loading.load(self._library, stream, wanted)

    async def tag(self, text: str, repository: str, tag: str) -> None:
        """Give an image one more name; another image that had it loses it."""
        if tag and not is_tag(tag):
            raise Invalid("invalid tag format")
        reference = parse_reference(f"{repository}:{tag}" if tag else repository).tagged
        if reference.digest:
            raise Invalid("refusing to create a tag with a digest reference")
        async with self._library.lock:
            image = self.get(text)
            await self._library.point(image, [reference])
        self._library.announce("tag", image, reference.familiar)

    async def remove(self, text: str, force: bool = False, prune: bool = True) -> Sequence[Removed]:
        return await removing.remove(self._library, text, force, prune)

    async def prune(self, filters: Filters) -> tuple[Sequence[Removed], int]:
        """What went, and the bytes it held."""
        return await removing.prune_images(self._library, filters)
