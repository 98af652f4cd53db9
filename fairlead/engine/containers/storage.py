"""A container's file systems while it runs: its root, its volumes, its binds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fairlead.core.containers.mounts import BIND, VOLUME, gather, point
from fairlead.engine.containers.context import Context
from fairlead.model.container import Container, ContainerSpec, Mount
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import Image
from fairlead.model.runtime import FileRoot, MountPoint


class Storage:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._engine = context.engine

    async def resolve(self, container: Container, image: Image) -> tuple[Mount, ...]:
        """The mounts of a container that is being created: volumes exist and have names, bind sources are there."""
        spec = container.spec
        mounts = gather(spec, (*image.config.volumes, *spec.volumes))
        taken = {mount.target for mount in mounts if mount.source or mount.kind != VOLUME}
        others = [mount for mount in self._borrowed(spec) if mount.target not in taken]
        borrowed = {mount.target for mount in others}
        own = [mount for mount in mounts if mount.target not in borrowed]
        return tuple([await self._settle(mount) for mount in own] + others)

    def _borrowed(self, spec: ContainerSpec) -> list[Mount]:
        from_others: list[Mount] = []
        for text in spec.volumes_from:
            name, _, mode = text.partition(":")
            try:
                found = self._context.state.container(name)
            except NotFound as missing:
                # "Not found" is what clients take for the image, which they would then pull.
                raise Invalid(missing.message) from missing
            from_others += [
                replace(mount, read_only=mode == "ro" or (mount.read_only and mode != "rw"))
                for mount in found.mounts
                if mount.kind in (BIND, VOLUME)
            ]
        return from_others

    async def _settle(self, mount: Mount) -> Mount:
        if mount.kind == BIND:
            self._context.files.prepare_bind(mount.source, mount.create_source)
        if mount.kind != VOLUME:
            return mount
        volume = await self._engine.volumes.ensure(mount.source, mount.driver, mount.driver_opts, mount.labels)
        return replace(mount, source=volume.name, driver=volume.driver)

    async def open(self, container: Container) -> tuple[Path, tuple[MountPoint, ...]]:
        """Mount the root and everything that goes into it. On failure `close` clears up."""
        rootfs = await self._engine.rootfs.mount(container.id, container.image_id)
        paths: dict[str, str] = {}
        for mount in container.mounts:
            if mount.kind == BIND:
                self._context.files.prepare_bind(mount.source, mount.create_source)
            elif mount.kind == VOLUME:
                paths[mount.source] = str(await self._engine.volumes.mount(mount.source, container.id))
                if not mount.no_copy:
                    await self._engine.volumes.populate(mount.source, rootfs, mount.target)
        return rootfs, tuple(point(mount, paths) for mount in container.mounts)

    async def close(self, container: Container) -> None:
        """Unmount everything; idempotent."""
        await self._engine.rootfs.unmount(container.id)
        for mount in container.mounts:
            if mount.kind == VOLUME:
                await self._engine.volumes.unmount(mount.source, container.id)

    async def remove_anonymous(self, container: Container) -> None:
        """`rm -v`: volumes that nobody named go with their container, unless another uses them."""
        for mount in container.mounts:
            if mount.kind == VOLUME and self._engine.volumes.is_anonymous(mount.source):
                await self._engine.volumes.remove_unused(mount.source)

    async def root_for_files(self, container: Container) -> FileRoot:
        """Where `docker cp` looks: the process's own view while it runs, else the root with its mounts."""
        if container.state.pid:
            return FileRoot(container.state.pid, self._engine.rootfs.merged(container.id))
        rootfs, mounts = await self.open(container)
        return FileRoot(0, rootfs, tuple(mount for mount in mounts if mount.kind == BIND))
