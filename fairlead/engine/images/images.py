"""`engine.images`: the verbs of `docker image`, each in a module of its own; this class joins them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from fairlead.core.filters import Filters
from fairlead.core.images.manifest import Descriptor, parse_platform
from fairlead.core.images.select import LIST_FILTERS
from fairlead.engine.images import bringing, listing, loading, pulling, pushing, removing, saving
from fairlead.engine.images.bringing import CommitWishes, ImportWishes
from fairlead.engine.images.library import Library
from fairlead.engine.images.listing import HistoryView, ImageDetails, ImageView
from fairlead.engine.images.ports import ImageHands
from fairlead.engine.images.removing import PRUNE_FILTERS
from fairlead.engine.memory import Memory
from fairlead.model.container import Container
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import Image, Layer, Platform, Progress, RegistryAuth, Removed
from fairlead.model.reference import is_tag, parse_reference

__all__ = ["LIST_FILTERS", "PRUNE_FILTERS", "Images"]


class Images:
    """All refusals have Docker's words. Whatever is returned has been committed."""

    def __init__(self, memory: Memory, hands: ImageHands) -> None:
        self._library = Library(memory, hands)
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

    def check_platform(self, text: str, platform: str) -> None:
        """Raises `NotFound` when the image is for another platform than the wanted one, `Invalid` for a bad one."""
        image, wanted = self.get(text), parse_platform(platform, self._library.hands.registry.host)
        if (image.os, image.architecture) != (wanted.os, wanted.architecture):
            raise NotFound(
                f"image with reference {text} was found but its platform ({image.os}/{image.architecture}) does not "
                f"match the specified platform ({wanted.os}/{wanted.architecture})"
            )

    def find(self, text: str) -> Image | None:
        """As `get`, but None for whatever does not resolve."""
        return self._catalogue.find(text)

    def size(self, image: Image) -> int:
        """The bytes of the files of all its layers."""
        return self._catalogue.size(image)

    def layers(self, image_id: str) -> list[Layer]:
        """Bottom first. Raises KeyError for an image that is gone."""
        return self._catalogue.layers_of(self._catalogue.images[image_id])

    def details(self, text: str) -> ImageDetails:
        """For inspect. Raises as `get`."""
        return listing.details(self._library, self.get(text))

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
        """An image of what the container wrote. One that runs should stand still meanwhile."""
        return await bringing.commit(self._library, container, wishes)

    def load(self, stream: AsyncIterator[bytes], platform: str = "") -> AsyncIterator[Progress]:
        wanted = parse_platform(platform, self._library.hands.registry.host)
        return loading.load(self._library, stream, wanted)

    def pull(self, text: str, auth: RegistryAuth | None, platform: str = "") -> AsyncIterator[Progress]:
        """`text` names a tag or digest. Raises `Invalid` at once, the registry's refusals while it runs."""
        wanted = parse_platform(platform, self._library.hands.registry.host)
        return pulling.pull(self._library, parse_reference(text).tagged, auth, wanted)

    def names_one(self, text: str) -> bool:
        """Whether a name has a tag or digest, rather than being that of a whole repository. Raises `Invalid`."""
        reference = parse_reference(text)
        return bool(reference.tag or reference.digest)

    async def all_tags(self, text: str, auth: RegistryAuth | None) -> Sequence[str]:
        """A repository's names with each of the tags that its registry has."""
        reference = parse_reference(text)
        tags = await self._library.hands.registry.tags(reference, auth)
        return [replace(reference, tag=tag).familiar for tag in tags if is_tag(tag)]

    def push(self, text: str, auth: RegistryAuth | None) -> AsyncIterator[Progress]:
        """A name without a tag means all tags of the repository."""
        reference = parse_reference(text)
        if reference.digest:
            raise Invalid("cannot push a digest reference")
        return pushing.push(self._library, reference, auth)

    async def distribution(self, text: str, auth: RegistryAuth | None) -> tuple[Descriptor, Sequence[Platform]]:
        """What a registry has under a name: its manifest or list, and for which platforms."""
        return await pulling.distribution(self._library, parse_reference(text).tagged, auth)

    async def login(self, server: str, auth: RegistryAuth) -> None:
        """Try a name and a password at a registry. Raises `Unauthorized`."""
        if not auth.username:
            raise Invalid("login needs a user name")
        await self._library.hands.registry.login(server, auth)

    def save(self, texts: Sequence[str]) -> AsyncIterator[bytes]:
        """An archive of these images. Raises `NotFound` at once."""
        return saving.save(self._library, saving.chosen(self._library, texts))

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
