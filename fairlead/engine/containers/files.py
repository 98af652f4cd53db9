"""`docker cp`, `docker export` and `docker diff`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from fairlead.engine.containers.context import Context
from fairlead.engine.containers.storage import Storage
from fairlead.model.container import Container
from fairlead.model.errors import NotAllowed, NotFound
from fairlead.model.runtime import FileChange, PathStat, UnpackOptions


@contextmanager
def _naming(reference: str) -> Iterator[None]:
    """The hands below do not know what the user calls the container in which they find nothing."""
    try:
        yield
    except NotFound as missing:
        raise NotFound(f"{missing.message} {reference}") from missing


class ContainerFiles:
    """Files of a container at rest are reached by mounting its root for as long as it takes."""

    def __init__(self, context: Context, storage: Storage) -> None:
        self._context = context
        self._storage = storage

    async def stat(self, reference: str, path: str) -> PathStat:
        container = self._context.state.container(reference)
        root = await self._storage.root_for_files(container)
        try:
            with _naming(reference):
                return await self._context.files.stat(root, path)
        finally:
            await self._put_away(container)

    async def pack(self, reference: str, path: str) -> AsyncIterator[bytes]:
        """A tar of the file or directory."""
        container = self._context.state.container(reference)
        root = await self._storage.root_for_files(container)
        try:
            with _naming(reference):
                async for chunk in self._context.files.pack(root, path):
                    yield chunk
        finally:
            await self._put_away(container)

    async def unpack(self, reference: str, path: str, archive: AsyncIterator[bytes], options: UnpackOptions) -> None:
        container = self._context.state.container(reference)
        if container.spec.read_only and not self._on_a_mount(container, path):
            raise NotAllowed("container rootfs is marked read-only")
        root = await self._storage.root_for_files(container)
        try:
            with _naming(reference):
                await self._context.files.unpack(root, path, archive, replace(options, user=container.user))
        finally:
            await self._put_away(container)

    def _on_a_mount(self, container: Container, path: str) -> bool:
        return any(
            f"{path.rstrip('/')}/".startswith(f"{mount.target}/") and not mount.read_only for mount in container.mounts
        )

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        container = self._context.state.container(reference)
        root = await self._storage.root_for_files(container)
        try:
            async for chunk in self._context.files.export(root):
                yield chunk
        finally:
            await self._put_away(container)

    async def changes(self, reference: str) -> Sequence[FileChange]:
        """What the container has written over its image."""
        container = self._context.state.container(reference)
        rootfs = self._context.rootfs
        return await self._context.files.changes(
            rootfs.upper(container.id), rootfs.lower_directories(container.image_id)
        )

    async def _put_away(self, container: Container) -> None:
        current = self._context.state.containers.get(container.id)
        if current is not None and not current.state.pid:
            async with self._context.turns.of(container.id):
                current = self._context.state.containers.get(container.id)
                if current is not None and not current.state.pid:
                    await self._storage.close(current)
