"""What images need of the world, as Protocols that `fairlead.effects.oci` fulfils."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fairlead.model.image import Layer, Platform, RegistryAuth
from fairlead.model.reference import Reference


class Blobs(Protocol):
    """Configurations, manifests and layer tars by digest. All but `layer tars` are small: nothing here waits long."""

    def path(self, digest: str) -> Path: ...

    def has(self, digest: str) -> bool: ...

    def read(self, digest: str) -> bytes: ...

    def write(self, content: bytes) -> str:
        """Keep the content; returns its digest."""
        ...

    def remove(self, digest: str) -> None: ...

    def keep_only(self, digests: Collection[str]) -> None: ...


class Layers(Protocol):
    """Unpacked layers by diff id, and places for what is unfinished."""

    def stage(self) -> Path:
        """A fresh directory; `discard` it when done."""
        ...

    def discard(self, staged: Path) -> None: ...

    async def unpack(self, source: Path, expected: str = "") -> Layer:
        """Unpack a staged tar and keep the file as its blob. Raises `Invalid` and leaves no layer when it is damaged
        or not the `expected` diff id."""
        ...

    async def pack(self, upper: Path, target: Path) -> None:
        """Write a container's changes as a layer's tar."""
        ...

    async def usage(self, directory: Path) -> int:
        """The bytes of all files below a directory."""
        ...

    def tree(self, layer: Layer) -> Path: ...

    def present(self, layer: Layer) -> bool: ...

    def remove(self, layer: Layer) -> None: ...

    def keep_only(self, layers: Collection[Layer]) -> None: ...


class Roots(Protocol):
    """Root file systems of containers."""

    def merged(self, container_id: str) -> Path: ...

    def upper(self, container_id: str) -> Path: ...

    async def mount(self, container_id: str, layers: Sequence[Layer]) -> Path:
        """Mount it over `layers`, bottom first; already mounted is fine."""
        ...

    async def unmount(self, container_id: str) -> None: ...

    async def remove(self, container_id: str) -> None: ...

    def lower_directories(self, layers: Sequence[Layer]) -> list[Path]: ...

    async def size(self, container_id: str) -> int: ...

    async def keep_only(self, container_ids: Collection[str]) -> None: ...


Member = tuple[str, bytes | Path]
"""A file of an archive: its name, and its content or where that lies."""


class Archives(Protocol):
    """Tar archives of images."""

    async def unpack(self, stream: AsyncIterator[bytes], target: Path) -> None:
        """Unpack a tar, compressed or not, into a fresh directory. Raises `Invalid`."""
        ...

    def file(self, directory: Path, name: str) -> Path:
        """A regular file of the unpacked archive; links are followed inside it only. Raises `Invalid`."""
        ...

    async def receive(self, stream: AsyncIterator[bytes], target: Path) -> None:
        """Write a body to a file."""
        ...

    def pack(self, members: Sequence[Member]) -> AsyncIterator[bytes]:
        """The archive of these members, piece by piece."""
        ...


class Registry(Protocol):
    """Registries of images. Errors have Docker's words: `NotFound` for what is not there or denied, else `Failed`."""

    host: Platform

    async def manifest(self, reference: Reference, auth: RegistryAuth | None) -> bytes:
        """The raw manifest or list."""
        ...

    async def config(self, reference: Reference, auth: RegistryAuth | None) -> bytes:
        """The raw configuration of the image."""
        ...

    def fetch(
        self, reference: Reference, auth: RegistryAuth | None, target: Path, known: Mapping[str, Path]
    ) -> AsyncGenerator[Mapping[str, int], None]:
        """Bring the layer blobs, but those `known`, to `blob(target, digest)`; yields bytes by digest.

        Under "" are those of blobs that are not complete.
        """
        ...

    def blob(self, target: Path, digest: str) -> Path: ...

    async def push(
        self, reference: Reference, auth: RegistryAuth | None, manifest: bytes, blobs: Mapping[str, Path]
    ) -> tuple[str, int]:
        """Send an image; returns digest and size of the manifest that the registry now has."""
        ...

    async def tags(self, reference: Reference, auth: RegistryAuth | None) -> Sequence[str]: ...

    async def login(self, server: str, auth: RegistryAuth) -> None:
        """Whether the registry takes a name and password. Raises `Unauthorized`."""
        ...


@dataclass(frozen=True, slots=True)
class ImageHands:
    """The hands on images, as `daemon.py` gives them to the engine."""

    blobs: Blobs
    layers: Layers
    roots: Roots
    archives: Archives
    registry: Registry
