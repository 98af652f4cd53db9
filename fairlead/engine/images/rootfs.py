"""The root file systems of containers, by container and image id."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fairlead.engine.images.images import Images
from fairlead.engine.images.ports import Roots


class RootFilesystems:
    def __init__(self, images: Images, roots: Roots) -> None:
        self._images, self._roots = images, roots

    async def mount(self, container_id: str, image_id: str) -> Path:
        """The mounted root; mounting again is fine, also after a restart of the daemon or the host."""
        return await self._roots.mount(container_id, self._images.layers(image_id))

    async def unmount(self, container_id: str) -> None:
        """Take the mount off and keep what the container wrote; not mounted is fine."""
        await self._roots.unmount(container_id)

    async def remove(self, container_id: str) -> None:
        """Unmount and forget what the container wrote; missing is fine."""
        await self._roots.remove(container_id)

    def merged(self, container_id: str) -> Path:
        """Where `mount` puts it."""
        return self._roots.merged(container_id)

    def upper(self, container_id: str) -> Path:
        """What the container changed, in overlayfs form (whiteouts are character devices 0:0)."""
        return self._roots.upper(container_id)

    def lower_directories(self, image_id: str) -> list[Path]:
        """The layers under a container of that image, bottom first, in overlayfs form."""
        return self._roots.lower_directories(self._images.layers(image_id))

    async def size(self, container_id: str) -> int:
        """The bytes of what the container wrote."""
        return await self._roots.size(container_id)

    async def keep_only(self, container_ids: Collection[str]) -> None:
        """Remove the roots of all other containers (at boot)."""
        await self._roots.keep_only(container_ids)
