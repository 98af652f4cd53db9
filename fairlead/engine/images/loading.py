"""`docker load`: images out of an archive of `docker save` or of an OCI layout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from fairlead.core.images.archive import Archived, blob_name, docker_images
from fairlead.core.images.config import parse_config
from fairlead.core.images.manifest import Descriptor, ManifestList, choose, parse_manifest
from fairlead.engine.images.library import Library
from fairlead.engine.images.shelf import Hold
from fairlead.model.errors import Invalid
from fairlead.model.image import Image, Platform, Progress
from fairlead.model.reference import Reference, parse_reference

_SHOWN = 12
_MAXIMUM_DOCUMENT = 16 << 20


async def load(library: Library, stream: AsyncIterator[bytes], platform: Platform) -> AsyncIterator[Progress]:
    """Take every image of the archive; from an index of several platforms, the one asked for. Raises `Invalid`."""
    staged = library.hands.layers.stage()
    try:
        await library.hands.archives.unpack(stream, staged)
        contents = _Contents(library, staged)
        for archived in contents.images(platform):
            async for progress in _load_one(library, contents, archived):
                yield progress
    finally:
        library.hands.layers.discard(staged)


class _Contents:
    """The files of an unpacked archive."""

    def __init__(self, library: Library, staged: Path) -> None:
        self._archives, self._staged = library.hands.archives, staged

    def images(self, platform: Platform) -> list[Archived]:
        if (self._staged / "manifest.json").exists():
            return docker_images(self.document("manifest.json"))
        if (self._staged / "index.json").exists():
            index = parse_manifest(self.document("index.json"))
            entries = index.entries if isinstance(index, ManifestList) else ()
            return [self._oci_image(entry, platform) for entry in entries]
        raise Invalid("invalid archive: it has neither manifest.json (docker save) nor index.json (OCI layout)")

    def file(self, name: str) -> Path:
        return self._archives.file(self._staged, name)

    def document(self, name: str) -> bytes:
        path = self.file(name)
        if path.stat().st_size > _MAXIMUM_DOCUMENT:
            raise Invalid(f"invalid archive: {name} is larger than {_MAXIMUM_DOCUMENT} bytes")
        return path.read_bytes()

    def _oci_image(self, entry: Descriptor, platform: Platform) -> Archived:
        manifest = parse_manifest(self.document(blob_name(entry.digest)))
        if isinstance(manifest, ManifestList):
            chosen = self._oci_image(choose(manifest, platform), platform)
            return replace(chosen, names=_oci_names(entry.name))
        layers = tuple(blob_name(layer.digest) for layer in manifest.layers)
        return Archived(blob_name(manifest.config.digest), layers, _oci_names(entry.name), blob_name(entry.digest))


async def _load_one(library: Library, contents: _Contents, archived: Archived) -> AsyncIterator[Progress]:
    raw = contents.document(archived.config)
    wanted = parse_config(raw, "")
    if len(wanted.layers) != len(archived.layers):
        raise Invalid(
            f"invalid manifest, layers length mismatch: expected {len(wanted.layers)}, got {len(archived.layers)}"
        )
    names = [parse_reference(name).tagged for name in archived.names]
    manifest = contents.document(archived.manifest) if archived.manifest else b""
    with library.shelf.hold() as hold:
        for diff_id, name in zip(wanted.layers, archived.layers, strict=True):
            if hold.known(diff_id):
                continue
            yield await _load_layer(contents, hold, name, diff_id)
        renamed = _renamed(library, names, wanted.layers)
        image = await library.register(raw, hold, names, manifest)
    for progress in renamed:
        yield progress
    library.announce("load", image)
    for progress in _loaded(image, names):
        yield progress


async def _load_layer(contents: _Contents, hold: Hold, name: str, diff_id: str) -> Progress:
    source = contents.file(name)
    size = source.stat().st_size
    await hold.install(source, diff_id)
    return Progress("Loading layer", diff_id.removeprefix("sha256:")[:_SHOWN], size, size)


def _renamed(library: Library, names: Sequence[Reference], layers: Sequence[str]) -> list[Progress]:
    """Tells whose names are about to be taken away."""
    losing = [(name, old) for name in names if (old := library.catalogue.at(name)) and old.layers != tuple(layers)]
    return [
        Progress(
            stream=f"The image {name.familiar} already exists, renaming the old one with ID {old.id} to empty string\n"
        )
        for name, old in losing
    ]


def _loaded(image: Image, names: Sequence[Reference]) -> list[Progress]:
    if not names:
        return [Progress(stream=f"Loaded image ID: {image.id}\n")]
    return [Progress(stream=f"Loaded image: {name.familiar}\n") for name in names]


def _oci_names(name: str) -> tuple[str, ...]:
    """What an index calls its entry: a full reference, or (org.opencontainers.image.ref.name) a tag alone, which names
    no repository."""
    try:
        return (name,) if any(mark in name for mark in "/:") and parse_reference(name) else ()
    except Invalid:
        return ()
