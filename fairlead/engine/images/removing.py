"""`docker rmi` and `docker image prune`."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.filters import Filters, created_before, labelled
from fairlead.core.images.moment import nanoseconds
from fairlead.core.images.removal import Standing, prunable, removable_parent, remove_by_id, remove_by_name
from fairlead.engine.images.catalogue import tags_of
from fairlead.engine.images.library import Library
from fairlead.model.errors import NotFound
from fairlead.model.image import Image, Layer, Removed
from fairlead.model.reference import Reference, parse_reference

PRUNE_FILTERS = frozenset({"dangling", "label", "label!", "until"})


async def remove(library: Library, text: str, force: bool, prune: bool) -> list[Removed]:
    """Take a name off or an image away. `prune` takes nameless parents along. Raises `NotFound`, `Conflict`."""
    async with library.lock:
        image = library.catalogue.get(text)
        standing = _standing(library, image)
        if library.catalogue.is_id(text, image):
            verdict = remove_by_id(standing, force)
        else:
            verdict = remove_by_name(standing, _named(standing, text), force)
        removed = await _untag(library, image, verdict.references, verdict.delete)
        if verdict.delete:
            removed += await _delete(library, image)
            if prune:
                removed += await _delete_parents(library, image)
        return removed


async def prune_images(library: Library, filters: Filters) -> tuple[list[Removed], int]:
    """Remove what nothing uses; returns what went, and the bytes that it held."""
    dangling_only = not any(value.lower() in ("false", "0") for value in filters.get("dangling", ()))
    before = created_before(filters, library.now())
    removed: list[Removed] = []
    async with library.lock:
        held = {layer.id: layer.size for layer in library.catalogue.layers.values()}
        # Once more after each round: with a child gone, its parent may be prunable.
        while found := _prunable(library, filters, before, dangling_only):
            for image in found:
                references = library.catalogue.references(image.id)
                removed += await _untag(library, image, references, True)
                removed += await _delete(library, image)
        reclaimed = sum(size for diff_id, size in held.items() if diff_id not in library.catalogue.layers)
    library.announce_prune(reclaimed)
    return removed, reclaimed


def _prunable(library: Library, filters: Filters, before: int | None, dangling_only: bool) -> list[Image]:
    return [
        image
        for image in library.catalogue.images.values()
        if labelled(image.config.labels, filters)
        and (before is None or nanoseconds(image.created) < before)
        and prunable(_standing(library, image), dangling_only)
    ]


def _standing(library: Library, image: Image) -> Standing:
    catalogue = library.catalogue
    users = [container for container in library.state.containers.values() if container.image_id == image.id]
    return Standing(image, catalogue.references(image.id), users, catalogue.children(image.id))


def _named(standing: Standing, text: str) -> Reference:
    wanted = parse_reference(text).tagged
    for reference in standing.references:
        same = reference.digest == wanted.digest if wanted.digest else reference.tag == wanted.tag
        if same and reference.repository == wanted.repository:
            return reference
    raise NotFound(f"No such image: {wanted.familiar}")


async def _untag(library: Library, image: Image, references: Sequence[Reference], deleting: bool) -> list[Removed]:
    """Take references off; when the image goes in the next commit, that one takes them too."""
    if not deleting:
        await library.catalogue.change(drop=tags_of(references, image.id))
    for _ in references:
        library.announce("untag", image)
    return [Removed(untagged=reference.familiar) for reference in references]


async def _delete(library: Library, image: Image) -> list[Removed]:
    """The image, its last references, and the layers that only it had, in one commit; then the files."""
    catalogue = library.catalogue
    layers = catalogue.unshared(image)
    await catalogue.change(drop=[image, *layers, *tags_of(catalogue.references(image.id), image.id)])
    library.shelf.release(layers)
    needed = catalogue.blobs()
    for blob in (image.id, image.manifest):
        if blob and blob not in needed:
            library.hands.blobs.remove(blob)
    library.announce("delete", image)
    return [Removed(deleted=image.id), *_deleted_layers(layers)]


def _deleted_layers(layers: Sequence[Layer]) -> list[Removed]:
    """Top first, as Docker tells."""
    return [Removed(deleted=layer.id) for layer in reversed(layers)]


async def _delete_parents(library: Library, image: Image) -> list[Removed]:
    removed: list[Removed] = []
    while parent := library.catalogue.images.get(image.parent):
        if not removable_parent(_standing(library, parent)):
            break
        removed += await _delete(library, parent)
        image = parent
    return removed
