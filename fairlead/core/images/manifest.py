"""Manifests: which configuration and which layer blobs make an image, and the lists that choose one by platform.

Docker's schema 2 (distribution project, manifest-v2-2.md) and the OCI image specification (manifest.md,
image-index.md) differ in the names of their media types only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import GZIP, PLAIN, ZSTD, Layer, Platform
from fairlead.model.reference import is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"

_DOCKER_LAYER = {
    PLAIN: "application/vnd.docker.image.rootfs.diff.tar",
    GZIP: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
_OCI_LAYER = {
    PLAIN: "application/vnd.oci.image.layer.v1.tar",
    GZIP: "application/vnd.oci.image.layer.v1.tar+gzip",
    ZSTD: "application/vnd.oci.image.layer.v1.tar+zstd",
}

_SYSTEMS = {"darwin", "freebsd", "illumos", "linux", "netbsd", "openbsd", "plan9", "solaris", "wasi", "windows"}
_ARCHITECTURES = {"386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le"}
_ARCHITECTURES |= {"ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}


class _Platform(msgspec.Struct):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: int = 0
    media_type: str = ""
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None


class _Document(msgspec.Struct, rename="camel"):
    media_type: str = ""
    schema_version: int = 2
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob or manifest by digest; `platform` in lists, `name` what an archive calls it."""

    digest: str
    size: int
    media_type: str = ""
    platform: Platform | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str


@dataclass(frozen=True, slots=True)
class ManifestList:
    entries: tuple[Descriptor, ...]
    media_type: str


def parse_manifest(raw: bytes) -> Manifest | ManifestList:
    """Raises `Invalid` for anything else, Docker's schema 1 included."""
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except msgspec.DecodeError as error:
        raise Invalid(f"invalid manifest: {error}") from error
    if document.schema_version != 2:
        raise Invalid(f"unsupported manifest schema version {document.schema_version}: must be 2")
    if document.manifests is not None:
        return ManifestList(tuple(map(_descriptor, document.manifests)), document.media_type or OCI_INDEX)
    if document.config is None or document.layers is None:
        raise Invalid("invalid manifest: it has neither config and layers nor manifests")
    return Manifest(
        _descriptor(document.config), tuple(map(_descriptor, document.layers)), document.media_type or OCI_MANIFEST
    )


def choose(listed: ManifestList, wanted: Platform) -> Descriptor:
    """The first entry for the platform; an entry with the wanted variant is better than one without."""
    fitting = [entry for entry in listed.entries if entry.platform and _fits(entry.platform, wanted)]
    if not fitting:
        name = "/".join(filter(None, (wanted.os, wanted.architecture, wanted.variant)))
        raise NotFound(f"no matching manifest for {name} in the manifest list entries")
    exact = [entry for entry in fitting if entry.platform and entry.platform.variant == wanted.variant]
    return (exact or fitting)[0]


def parse_platform(text: str, host: Platform) -> Platform:
    """ "os[/architecture[/variant]]" or an architecture alone; what is missing is the host's. Raises `Invalid`."""
    if not text:
        return host
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(parts):
        raise Invalid(f'"{text}": invalid platform: must be os[/architecture[/variant]]')
    if len(parts) == 1:
        return _half_a_platform(parts[0], host, text)
    return Platform(parts[0], _architecture(parts[1]), parts[2] if len(parts) == 3 else "")


def new_manifest(config: Descriptor, layers: Sequence[Layer], oci: bool = False) -> bytes:
    """A manifest for an image made here: Docker's, or OCI's if wanted or where a layer is compressed with zstd."""
    oci = oci or any(layer.compression == ZSTD for layer in layers)
    kinds = _OCI_LAYER if oci else _DOCKER_LAYER
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST if oci else DOCKER_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG if oci else DOCKER_CONFIG,
            "size": config.size,
            "digest": config.digest,
        },
        "layers": [
            {"mediaType": kinds[layer.compression], "size": layer.blob_size, "digest": layer.blob} for layer in layers
        ],
    }
    return msgspec.json.encode(document)


def _descriptor(found: _Descriptor) -> Descriptor:
    if not is_digest(found.digest):
        raise Invalid(f"invalid manifest: {found.digest!r} is not a SHA-256 digest")
    offered = found.platform
    platform = Platform(offered.os, offered.architecture, offered.variant) if offered else None
    annotations = found.annotations or {}
    name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name") or ""
    return Descriptor(found.digest, found.size, found.media_type, platform, name)


def _fits(offered: Platform, wanted: Platform) -> bool:
    return (
        offered.os == wanted.os
        and offered.architecture == wanted.architecture
        and (not wanted.variant or not offered.variant or offered.variant == wanted.variant)
    )


def _half_a_platform(name: str, host: Platform, text: str) -> Platform:
    """An operating system or an architecture: which of them, the name tells."""
    if name in _SYSTEMS:
        return host if name == host.os else Platform(name, host.architecture, host.variant)
    if (architecture := _architecture(name)) in _ARCHITECTURES:
        return Platform(host.os, architecture)
    raise Invalid(f'"{text}": unknown operating system or architecture: invalid argument')


def _architecture(name: str) -> str:
    return _ALIASES.get(name, name)
