"""`docker create`: everything is checked, then the container is written down; nothing runs yet."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from fairlead.core.containers.merge import merge
from fairlead.core.containers.names import suggest
from fairlead.core.containers.options import check, check_processors, warnings
from fairlead.engine import records
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.joining import check_join
from fairlead.engine.containers.storage import Storage
from fairlead.model.container import Container, ContainerSpec
from fairlead.model.errors import Conflict, Invalid, NotFound
from fairlead.model.ids import is_container_name
from fairlead.model.image import Image

NAME_RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]"


class Creation:
    def __init__(self, context: Context, storage: Storage) -> None:
        self._context = context
        self._storage = storage
        self._reserved: dict[str, str] = {}

    async def create(self, name: str, spec: ContainerSpec) -> tuple[str, tuple[str, ...]]:
        """Create a container; its id and warnings. Raises Refusal and changes nothing."""
        context = self._context
        spec = replace(spec, network=replace(spec.network, mode=self._lasting_mode(spec.network.mode)))
        check(spec, bool(context.runtime.init_program))
        check_processors(spec.resources, context.system.host.cpus)
        check_join(spec, context.state)
        if not spec.image and not spec.cmd:
            raise Invalid("no command specified")
        image = context.images.get(spec.image)
        container_id = context.entropy.local_id()
        name = self._reserve(name, container_id)
        try:
            return await self._create(container_id, name, spec, image)
        finally:
            del self._reserved[name]

    def _lasting_mode(self, mode: str) -> str:
        """`container:<name>` by id, because a name may come to mean another container."""
        kind, separator, reference = mode.partition(":")
        if kind != "container" or not reference:
            return mode
        with suppress(NotFound):
            return f"{kind}{separator}{self._context.state.container(reference).id}"
        return mode

    async def _create(
        self, container_id: str, name: str, spec: ContainerSpec, image: Image
    ) -> tuple[str, tuple[str, ...]]:
        context = self._context
        container = self._describe(container_id, name, spec, image)
        context.sandboxes.check(container)
        container = replace(container, mounts=await self._storage.resolve(container, image))
        context.logs.make_folder(container_id)
        await context.store.commit([records.put(container)])
        context.state.put_container(container)
        context.announce(container, "create")
        return container_id, warnings(spec)

    def _describe(self, container_id: str, name: str, spec: ContainerSpec, image: Image) -> Container:
        merged = merge(spec, image.config)
        return Container(
            id=container_id,
            name=name,
            created=self._context.clock.now(),
            spec=spec,
            image_id=image.id,
            argv=merged.argv,
            entrypoint=merged.entrypoint,
            cmd=merged.cmd,
            volumes=merged.volumes,
            env=merged.env,
            workdir=merged.workdir,
            user=merged.user,
            stop_signal=merged.stop_signal,
            health=merged.health,
            labels=merged.labels,
            exposed=merged.exposed,
        )

    def _reserve(self, name: str, container_id: str) -> str:
        """Take a name for a container that is being made. Raises Invalid for a bad one, Conflict for one in use."""
        name = name.removeprefix("/")
        if not name:
            name = suggest(self._context.entropy.number, lambda wanted: self._holder(wanted) is not None)
        check_name(name)
        holder = self._holder(name)
        if holder is not None:
            raise name_in_use(name, holder)
        self._reserved[name] = container_id
        return name

    def _holder(self, name: str) -> str | None:
        taken = self._context.state.name_taken_by(name)
        return taken.id if taken is not None else self._reserved.get(name)

    async def rename(self, reference: str, name: str) -> None:
        """Give a container another name. Its DNS names follow at once."""
        context = self._context
        container = context.state.container(reference)
        name = name.removeprefix("/")
        if not name:
            raise Invalid("Neither old nor new names may be empty")
        if container.name == name:
            raise Invalid("Renaming a container with the same name as its current name")
        name = self._reserve(name, container.id)
        try:
            async with context.turns.of(container.id):
                renamed = await context.change(container.id, lambda current: replace(current, name=name))
                await context.sandboxes.rename(renamed)
        finally:
            del self._reserved[name]
        context.announce(renamed, "rename", oldName=f"/{container.name}")


def check_name(name: str) -> None:
    if not is_container_name(name):
        raise Invalid(f"Invalid container name ({name}), only {NAME_RULE} are allowed")


def name_in_use(name: str, holder: str) -> Conflict:
    return Conflict(
        f'Conflict. The container name "/{name}" is already in use by container "{holder}". You have to remove '
        "(or rename) that container to be able to reuse that name."
    )
