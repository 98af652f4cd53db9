"""`docker push`: the image's own manifest where its blobs are as they came, else a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from fairlead.core.images.manifest import Descriptor, new_manifest
from fairlead.engine.images.library import Library
from fairlead.model.errors import Failed
from fairlead.model.image import Image, Progress, RegistryAuth
from fairlead.model.reference import Reference

_SHOWN = 12


async def push(library: Library, reference: Reference, auth: RegistryAuth | None) -> AsyncIterator[Progress]:
    """Send one tag of a repository, or all when the reference has none. Raises `Failed` in Docker's words."""
    yield Progress(f"The push refers to repository [{reference.repository}]")
    tags = library.catalogue.tags_in(reference.repository)
    if not tags:
        raise Failed(f"An image does not exist locally with the tag: {reference.familiar_repository}")
    if reference.tag:
        tags = [tag for tag in tags if tag.tag == reference.tag]
    if not tags:
        raise Failed(f"tag does not exist: {reference.familiar}")
    for tag in tags:
        image = library.catalogue.at(tag)
        if image is None:
            continue
        async for progress in _push_one(library, image, tag, auth):
            yield progress


def _manifest_of(library: Library, image: Image) -> bytes:
    """The manifest an image came with, or one for its blobs as they are here."""
    if image.manifest:
        return library.hands.blobs.read(image.manifest)
    config = Descriptor(image.id, len(library.hands.blobs.read(image.id)))
    return new_manifest(config, library.catalogue.layers_of(image))


async def _push_one(
    library: Library, image: Image, tag: Reference, auth: RegistryAuth | None
) -> AsyncIterator[Progress]:
    shown = [diff_id.removeprefix("sha256:")[:_SHOWN] for diff_id in reversed(image.layers)]
    for status in ("Preparing", "Pushing"):
        for short_id in shown:
            yield Progress(status, short_id)
    with library.shelf.hold() as hold:
        layers = [layer for diff_id in image.layers if (layer := hold.known(diff_id))]
        blobs: dict[str, Path] = {layer.blob: library.hands.blobs.path(layer.blob) for layer in layers}
        blobs[image.id] = library.hands.blobs.path(image.id)
        manifest = _manifest_of(library, image)
        digest, size = await library.hands.registry.push(tag, auth, manifest, blobs)
    for short_id in shown:
        yield Progress("Pushed", short_id)
    async with library.lock:
        if image.id in library.catalogue.images:
            await library.name_by_digest(image, replace(tag, tag="", digest=digest))
    library.announce("push", image, tag.familiar_repository, actor=tag.familiar)
    yield Progress(f"{tag.tag}: digest: {digest} size: {size}")
    yield Progress(aux={"Tag": tag.tag, "Digest": digest, "Size": size})
