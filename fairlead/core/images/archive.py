"""What is in an archive of images, by the index file of `docker save`; an OCI layout has `core.images.manifest`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fairlead.core.images.manifest import OCI_INDEX, Descriptor
from fairlead.model.errors import Invalid
from fairlead.model.reference import Reference

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class _Entry(msgspec.Struct, rename="pascal"):
    config: str
    layers: list[str] | None = None
    repo_tags: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """An image of an archive: the names of its files there, and the references it shall have."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]
    manifest: str = ""


def docker_images(raw: bytes) -> list[Archived]:
    """The images that a `manifest.json` lists. Raises `Invalid`."""
    try:
        entries = msgspec.json.decode(raw, type=list[_Entry])
    except msgspec.DecodeError as error:
        raise Invalid(f"invalid manifest.json: {error}") from error
    return [Archived(entry.config, tuple(entry.layers or ()), tuple(entry.repo_tags or ())) for entry in entries]


def blob_name(digest: str) -> str:
    """Where an OCI layout has a blob (image-layout.md)."""
    return f"blobs/{digest.replace(':', '/', 1)}"


def docker_index(images: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> bytes:
    """`manifest.json` for images as (configuration digest, blob digests, names)."""
    return msgspec.json.encode(
        [
            {
                "Config": blob_name(config),
                "RepoTags": list(names) or None,
                "Layers": [blob_name(layer) for layer in layers],
            }
            for config, layers, names in images
        ]
    )


def oci_index(images: Sequence[tuple[Descriptor, Sequence[Reference]]]) -> bytes:
    """`index.json`: each manifest once per name, or once without."""
    entries: list[dict[str, object]] = []
    for manifest, names in images:
        described = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.size}
        for name in names:
            annotations = {"io.containerd.image.name": name.full, "org.opencontainers.image.ref.name": name.tag}
            entries.append({**described, "annotations": annotations})
        if not names:
            entries.append(dict(described))
    return msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
