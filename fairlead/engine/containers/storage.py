"""A container's file systems while it runs: its root, its volumes, its binds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fairlead.core.containers.mounts import BIND, VOLUME, borrowed_access, gather, point
from fairlead.engine.containers.context import Context
from fairlead.engine.ports import VolumePart
from fairlead.model.container import Container, ContainerSpec, Mount
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.image import Image
from fairlead.model.runtime import FileRoot, MountPoint


class Storage:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._parts: dict[str, list[VolumePart]] = {}

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
            access = borrowed_access(mode)
            try:
                found = self._context.state.container(name)
            except NotFound as missing:
                # "Not found" is what clients take for the image, which they would then pull.
                raise Invalid(missing.message) from missing
            from_others += [
                replace(mount, read_only=access == "ro" or (mount.read_only and access != "rw"))
                for mount in found.mounts
                if mount.kind in (BIND, VOLUME)
            ]
        return from_others

    async def _settle(self, mount: Mount) -> Mount:
        if mount.kind == BIND:
            self._context.files.prepare_bind(mount.source, mount.create_source)
        if mount.kind != VOLUME:
            return mount
        try:
            volume = await self._context.volumes.ensure(mount.source, mount.driver, mount.driver_opts, mount.labels)
        except NotFound as missing:
            raise Invalid(missing.message) from missing  # as above: the driver is missing, not the image
        return replace(mount, source=volume.name, driver=volume.driver)

    async def open(self, container: Container) -> tuple[Path, tuple[MountPoint, ...]]:
        """Mount the root and everything that goes into it. On failure `close` clears up."""
        rootfs = await self._context.rootfs.mount(container.id, container.image_id)
        points = []
        for mount in container.mounts:
            if mount.kind == BIND:
                self._context.files.prepare_bind(mount.source, mount.create_source)
            place = await self._open_volume(container.id, mount, rootfs) if mount.kind == VOLUME else Path()
            points.append(point(mount, str(place)))
        return rootfs, tuple(points)

    async def _open_volume(self, container_id: str, mount: Mount, rootfs: Path) -> Path:
        """Where the volume is, or the wanted part of it: that is held until the container's mounts are closed."""
        volumes = self._context.volumes
        place = await volumes.mount(mount.source, container_id)
        if mount.subpath:
            part = volumes.part(mount.source, mount.subpath)
            self._parts.setdefault(container_id, []).append(part)
            place = part.path
        if not mount.no_copy:
            await volumes.populate(mount.source, place, rootfs, mount.target)
        return place

    async def close(self, container: Container) -> None:
        """Unmount everything; idempotent."""
        for part in self._parts.pop(container.id, ()):
            part.close()
        await self._context.rootfs.unmount(container.id)
        for mount in container.mounts:
            if mount.kind == VOLUME:
                await self._context.volumes.unmount(mount.source, container.id)

    async def remove_anonymous(self, container: Container) -> None:
        """`rm -v`: volumes that nobody named go with their container, unless another uses them."""
        for mount in container.mounts:
            if mount.kind == VOLUME and self._context.volumes.is_anonymous(mount.source):
                await self._context.volumes.remove_unused(mount.source)

    async def root_for_files(self, container: Container) -> FileRoot:
        """Where `docker cp` looks: the process's own view while it runs, else the root with its mounts."""
        if container.state.pid:
            return FileRoot(container.state.pid, self._context.rootfs.merged(container.id))
        rootfs, mounts = await self.open(container)
        return FileRoot(0, rootfs, tuple(mount for mount in mounts if mount.kind == BIND))
