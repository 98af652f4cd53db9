"""What images, tags and layers exist: the working copy, and how a user's word is resolved to an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fairlead.engine import records
from fairlead.engine.ports import Store
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.ids import with_prefix
from fairlead.model.image import Image, Layer, Tag
from fairlead.model.reference import Reference, as_image_id, parse_reference

Stored = Image | Layer | Tag

ANSWERS_KEPT = 256


class Catalogue:
    """Every change is committed first and shown afterwards."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.images: dict[str, Image] = {}
        self.layers: dict[str, Layer] = {}
        self.tags: dict[str, str] = {}
        self._by_image: dict[str, dict[str, Reference]] = {}
        self._found: dict[str, Image | None] = {}

    def load(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds."""
        for layer in records.load(Layer, documents):
            self._put(layer)
        for image in records.load(Image, documents):
            self._put(image)
        for tag in records.load(Tag, documents):
            self._put(tag)

    async def change(self, put: Sequence[Stored] = (), drop: Sequence[Stored] = ()) -> None:
        """Commit, then show. What is dropped goes first, so that a tag may move."""
        await self._store.commit([*map(records.delete, drop), *map(records.put, put)])
        for stored in drop:
            self._drop(stored)
        for stored in put:
            self._put(stored)

    # --- finding ----------------------------------------------------------------------------------

    def get(self, text: str) -> Image:
        """By name (tag "latest" if none), by digest, by full id or unique prefix of one, in Docker's order.

        Raises `Invalid` for what can be no name, `NotFound` "No such image: X:latest".
        """
        if image_id := as_image_id(text):
            if image := self.images.get(image_id):
                return image
            raise NotFound(f"No such image: {image_id}")
        reference = parse_reference(text).tagged
        image = self.at(reference) or self._by_prefix(text)
        if image is None:
            raise NotFound(f"No such image: {reference.familiar}")
        return image

    def find(self, text: str) -> Image | None:
        """As `get`, but None for whatever does not resolve. Whenever a container is shown its image is asked for, so
        answers are kept until something changes."""
        if text not in self._found:
            if len(self._found) >= ANSWERS_KEPT:
                self._found.clear()
            try:
                self._found[text] = self.get(text)
            except (Invalid, NotFound):
                self._found[text] = None
        return self._found[text]

    def at(self, reference: Reference) -> Image | None:
        """What the reference (with its tag or digest) points at. With both, the digest decides."""
        key = f"{reference.repository}@{reference.digest}" if reference.digest else reference.full
        return self.images.get(self.tags.get(key, ""))

    def is_id(self, text: str, image: Image) -> bool:
        """Whether `text` named the image by its id rather than by a reference."""
        return image.id.startswith(text) or image.id.removeprefix("sha256:").startswith(text)

    def references(self, image_id: str) -> list[Reference]:
        """Tags and digests that point at an image, sorted."""
        return [reference for _, reference in sorted(self._by_image.get(image_id, {}).items())]

    def tags_in(self, repository: str) -> list[Reference]:
        """All tags of a repository (full name), sorted."""
        known = (parse_reference(key) for key in sorted(self.tags) if key.startswith(f"{repository}:"))
        return [reference for reference in known if reference.repository == repository]

    def layers_of(self, image: Image) -> list[Layer]:
        """Bottom first."""
        return [self.layers[diff_id] for diff_id in image.layers]

    def size(self, image: Image) -> int:
        return sum(layer.size for layer in self.layers_of(image))

    def children(self, image_id: str) -> list[Image]:
        return [image for image in self.images.values() if image.parent == image_id]

    def unshared(self, image: Image) -> list[Layer]:
        """Its layers that no other image has."""
        others = {layer for other in self.images.values() if other.id != image.id for layer in other.layers}
        return [self.layers[diff_id] for diff_id in dict.fromkeys(image.layers) if diff_id not in others]

    def blobs(self) -> set[str]:
        """The digests of all blobs that something needs."""
        needed = {layer.blob for layer in self.layers.values()}
        return needed | {digest for image in self.images.values() for digest in (image.id, image.manifest) if digest}

    def _by_prefix(self, text: str) -> Image | None:
        wanted = text if text.startswith("sha256:") else f"sha256:{text}"
        found = with_prefix(wanted, self.images)
        return self.images[found[0]] if len(found) == 1 else None

    # --- the working copy -------------------------------------------------------------------------

    def _put(self, stored: Stored) -> None:
        self._found.clear()
        match stored:
            case Image():
                self.images[stored.id] = stored
            case Layer():
                self.layers[stored.id] = stored
            case Tag():
                self._drop(Tag(stored.id, self.tags.get(stored.id, "")))
                self.tags[stored.id] = stored.image
                self._by_image.setdefault(stored.image, {})[stored.id] = parse_reference(stored.id)

    def _drop(self, stored: Stored) -> None:
        self._found.clear()
        match stored:
            case Image():
                self.images.pop(stored.id, None)
            case Layer():
                self.layers.pop(stored.id, None)
            case Tag():
                references = self._by_image.get(self.tags.pop(stored.id, ""), {})
                references.pop(stored.id, None)


def tags_of(references: Iterable[Reference], image_id: str) -> list[Tag]:
    return [Tag(reference.full, image_id) for reference in references]
