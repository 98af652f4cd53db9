"""`docker save`: an OCI layout that `docker load` of every age reads too, by the `manifest.json` beside its index.

Layers go out as they came, compressed or not: Docker, podman and skopeo look at the bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence

from fairlead.core.images.archive import OCI_LAYOUT, blob_name, docker_index, oci_index
from fairlead.core.images.manifest import OCI_MANIFEST, Descriptor, new_manifest, parse_manifest
from fairlead.engine.images.catalogue import Catalogue
from fairlead.engine.images.library import Library
from fairlead.engine.images.ports import Member
from fairlead.model.image import Image
from fairlead.model.reference import Reference, as_image_id, parse_reference


def chosen(library: Library, texts: Sequence[str]) -> dict[str, list[Reference]]:
    """Image ids with the names they are saved under: a repository alone means all its tags, an id no name.

    Raises `NotFound` and `Invalid` as any lookup.
    """
    wanted: dict[str, list[Reference]] = {}
    for text in texts:
        for image, name in _meant(library.catalogue, text):
            names = wanted.setdefault(image.id, [])
            if name is not None and name not in names:
                names.append(name)
    return wanted


def _meant(catalogue: Catalogue, text: str) -> list[tuple[Image, Reference | None]]:
    if not as_image_id(text):
        reference = parse_reference(text)
        if not reference.tag and not reference.digest and (tags := catalogue.tags_in(reference.repository)):
            return [(image, tag) for tag in tags if (image := catalogue.at(tag))]
        if reference.tag and (image := catalogue.at(reference)):
            return [(image, reference)]
    return [(catalogue.get(text), None)]


async def save(library: Library, wanted: dict[str, list[Reference]]) -> AsyncIterator[bytes]:
    """The archive, piece by piece. The layers stay until its end, whatever is removed meanwhile."""
    with library.shelf.hold() as hold:
        members: dict[str, Member] = {}
        docker: list[tuple[str, list[str], list[str]]] = []
        oci: list[tuple[Descriptor, list[Reference]]] = []
        for image_id, names in wanted.items():
            image = library.catalogue.images[image_id]
            layers = [layer for diff_id in image.layers if (layer := hold.known(diff_id))]
            for layer in layers:
                members[layer.blob] = (blob_name(layer.blob), library.hands.blobs.path(layer.blob))
            members[image_id] = (blob_name(image_id), library.hands.blobs.read(image_id))
            entry = _add_manifest(library, image, members)
            docker.append((image_id, [layer.blob for layer in layers], [name.familiar for name in names]))
            oci.append((entry, names))
        indexes: list[Member] = [
            ("index.json", oci_index(oci)),
            ("manifest.json", docker_index(docker)),
            ("oci-layout", OCI_LAYOUT),
        ]
        async for chunk in library.hands.archives.pack([*members.values(), *indexes]):
            yield chunk
    for image_id in wanted:
        if image_id in library.catalogue.images:
            library.announce("save", library.catalogue.images[image_id])


def _add_manifest(library: Library, image: Image, members: dict[str, Member]) -> Descriptor:
    raw = _oci_manifest(library, image)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    members[digest] = (blob_name(digest), raw)
    return Descriptor(digest, len(raw), parse_manifest(raw).media_type)


def _oci_manifest(library: Library, image: Image) -> bytes:
    """An OCI layout holds OCI manifests: that the image came with, or one of the same content."""
    blobs = library.hands.blobs
    if image.manifest and parse_manifest(raw := blobs.read(image.manifest)).media_type == OCI_MANIFEST:
        return raw
    return new_manifest(Descriptor(image.id, len(blobs.read(image.id))), library.catalogue.layers_of(image), oci=True)
