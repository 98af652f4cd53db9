"""`docker pull`: ask for the manifest, choose the platform, bring what is missing, unpack it, give it its names."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from fairlead.core.images.config import parse_config
from fairlead.core.images.manifest import Descriptor, Manifest, ManifestList, choose, parse_manifest
from fairlead.engine.images.library import Library
from fairlead.engine.images.shelf import Hold
from fairlead.model.errors import Failed, Invalid
from fairlead.model.image import Image, Layer, Platform, Progress, RegistryAuth
from fairlead.model.reference import Reference

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a registry has under a reference: `digest` of what that names, and the manifest for the platform."""

    reference: Reference
    digest: str
    raw: bytes
    manifest: Manifest

    @property
    def exact(self) -> Reference:
        return replace(self.reference, tag="", digest=_digest(self.raw))

    @property
    def names(self) -> list[Reference]:
        by_digest = replace(self.reference, tag="", digest=self.digest)
        by_tag = replace(self.reference, digest="")
        return [by_digest] if self.reference.digest else [by_tag, by_digest]


async def pull(
    library: Library, reference: Reference, auth: RegistryAuth | None, platform: Platform
) -> AsyncIterator[Progress]:
    """Raises `NotFound` or `Failed` in Docker's words before the first line, or later."""
    async with library.pulls.of(reference.full):
        offer = await _ask(library, reference, auth, platform)
        yield Progress(f"Pulling from {reference.path}", id=reference.digest or reference.tag)
        before = library.catalogue.at(reference)
        image = library.catalogue.images.get(offer.manifest.config.digest)
        if image is not None:
            await _point(library, image, offer)
        else:
            async with aclosing(_bring(library, offer, auth)) as steps:
                async for progress in steps:
                    yield progress
        image = library.catalogue.images.get(offer.manifest.config.digest)
        if image is None:
            raise Failed(f"image {offer.manifest.config.digest} was removed while it was pulled")
    library.announce("pull", image, reference.familiar_repository, actor=reference.familiar)
    yield Progress(f"Digest: {offer.digest}")
    news = "Image is up to date" if before and before.id == image.id else "Downloaded newer image"
    yield Progress(f"Status: {news} for {reference.familiar}")


async def distribution(
    library: Library, reference: Reference, auth: RegistryAuth | None
) -> tuple[Descriptor, list[Platform]]:
    """What a registry has under a reference, without bringing it."""
    raw = await library.hands.registry.manifest(reference, auth)
    found = parse_manifest(raw)
    descriptor = Descriptor(_digest(raw), len(raw), found.media_type)
    if isinstance(found, ManifestList):
        return descriptor, [entry.platform for entry in found.entries if entry.platform]
    config = await library.hands.registry.config(replace(reference, tag="", digest=descriptor.digest), auth)
    image = parse_config(config, found.config.digest)
    return descriptor, [Platform(image.os, image.architecture, image.variant)]


async def _ask(library: Library, reference: Reference, auth: RegistryAuth | None, platform: Platform) -> _Offer:
    raw = await library.hands.registry.manifest(reference, auth)
    digest = _digest(raw)
    found = parse_manifest(raw)
    if isinstance(found, ManifestList):
        entry = choose(found, platform)
        raw = await library.hands.registry.manifest(replace(reference, tag="", digest=entry.digest), auth)
        found = parse_manifest(raw)
    if isinstance(found, ManifestList):
        raise Invalid("invalid manifest list: it leads to another list")
    return _Offer(reference, digest, raw, found)


async def _point(library: Library, image: Image, offer: _Offer) -> None:
    async with library.lock:
        if image.id in library.catalogue.images:
            await library.point(image, offer.names)


async def _bring(library: Library, offer: _Offer, auth: RegistryAuth | None) -> AsyncGenerator[Progress, None]:
    raw = await library.hands.registry.config(offer.exact, auth)
    wanted = offer.manifest.config.digest
    if _digest(raw) != wanted:
        raise Failed(f"image config verification failed for digest {wanted}")
    diff_ids = parse_config(raw, wanted).layers
    if len(diff_ids) != len(offer.manifest.layers):
        raise Failed(f"mismatched image rootfs and manifest layers: {len(diff_ids)}, {len(offer.manifest.layers)}")
    with library.shelf.hold() as hold:
        parts = [_Part(entry, diff_id) for entry, diff_id in zip(offer.manifest.layers, diff_ids, strict=True)]
        async with aclosing(_layers(library, offer, auth, hold, parts)) as steps:
            async for progress in steps:
                yield progress
        # A manifest is only worth keeping while all the blobs that it lists are kept.
        same = all(part.layer and part.layer.blob == part.entry.digest for part in parts)
        await library.register(raw, hold, offer.names, offer.raw if same else b"")


@dataclass(slots=True)
class _Part:
    """A layer of the image that is being pulled."""

    entry: Descriptor
    diff_id: str
    layer: Layer | None = None

    def tell(self, status: str, current: int = 0, total: int = 0) -> Progress:
        return Progress(status, self.entry.digest.removeprefix("sha256:")[:_SHOWN], current, total)


async def _layers(
    library: Library, offer: _Offer, auth: RegistryAuth | None, hold: Hold, parts: Sequence[_Part]
) -> AsyncGenerator[Progress, None]:
    """Bring and unpack the layers that are not here."""
    for part in parts:
        part.layer = hold.known(part.diff_id)
        yield part.tell("Already exists" if part.layer else "Pulling fs layer")
    missing = [part for part in parts if part.layer is None]
    if not missing:
        return
    registry, staged = library.hands.registry, library.hands.layers.stage()
    try:
        known = {part.entry.digest: library.hands.blobs.path(part.layer.blob) for part in parts if part.layer}
        async with aclosing(registry.fetch(offer.exact, auth, staged, known)) as sizes:
            async for progress in _downloading(sizes, missing):
                yield progress
        for part in missing:
            yield part.tell("Extracting", part.entry.size, part.entry.size)
            part.layer = await hold.install(registry.blob(staged, part.entry.digest), part.diff_id)
            yield part.tell("Pull complete")
    finally:
        library.hands.layers.discard(staged)


async def _downloading(sizes: AsyncIterator[Mapping[str, int]], missing: Sequence[_Part]) -> AsyncIterator[Progress]:
    waiting = list(missing)
    async for there in sizes:
        for part in [part for part in waiting if part.entry.digest in there]:
            waiting.remove(part)
            yield part.tell("Download complete")
        # Of unfinished blobs only the sum is known: it says something when one is left.
        if len(waiting) == 1 and there.get(""):
            yield waiting[0].tell("Downloading", there[""], waiting[0].entry.size)


def _digest(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
