"""Images made from what a client sends: `docker import` and `docker commit`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from fairlead.core.images.changes import apply_changes
from fairlead.core.images.config import new_config
from fairlead.core.images.manifest import parse_platform
from fairlead.engine.images.library import Library
from fairlead.model.container import Container
from fairlead.model.errors import Invalid
from fairlead.model.image import HistoryEntry, Image, ImageConfig
from fairlead.model.reference import Reference, parse_reference


@dataclass(frozen=True, slots=True)
class ImportWishes:
    """`name` may be empty. `changes` are Dockerfile lines."""

    name: str = ""
    changes: Sequence[str] = ()
    message: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class CommitWishes:
    """`config` replaces the container's own settings where given."""

    name: str = ""
    changes: Sequence[str] = ()
    message: str = ""
    author: str = ""
    config: ImageConfig | None = None


async def import_image(library: Library, stream: AsyncIterator[bytes], source: str, wishes: ImportWishes) -> Image:
    """An image of one layer out of the tar of a root file system. `source` is told in its history."""
    names = _names(wishes.name)
    platform = parse_platform(wishes.platform, library.hands.registry.host)
    config = apply_changes(ImageConfig(), wishes.changes)
    staged = library.hands.layers.stage()
    try:
        with library.shelf.hold() as hold:
            await library.hands.archives.receive(stream, staged / "layer")
            layer = await hold.install(staged / "layer")
            created = library.timestamp()
            comment = wishes.message or f"Imported from {source}"
            image = Image(
                id="",
                created=created,
                architecture=platform.architecture,
                os=platform.os,
                variant=platform.variant,
                comment=comment,
                config=config,
                layers=(layer.id,),
                history=(HistoryEntry(created, comment=comment),),
            )
            image = await library.register(new_config(image), hold, names)
    finally:
        library.hands.layers.discard(staged)
    library.announce("import", image)
    return image


async def commit(library: Library, container: Container, wishes: CommitWishes) -> Image:
    """An image out of a container's image and what it wrote on top."""
    names = _names(wishes.name)
    base = library.catalogue.images[container.image_id]
    config = apply_changes(_committed_config(container, base, wishes.config), wishes.changes)
    staged = library.hands.layers.stage()
    try:
        with library.shelf.hold() as hold:
            for diff_id in base.layers:
                hold.known(diff_id)
            await library.hands.layers.pack(library.hands.roots.upper(container.id), staged / "layer")
            layer = await hold.install(staged / "layer")
            created = library.timestamp()
            step = HistoryEntry(created, " ".join(container.argv), wishes.author, wishes.message)
            image = replace(
                base,
                id="",
                created=created,
                author=wishes.author,
                comment=wishes.message,
                config=config,
                layers=(*base.layers, layer.id),
                history=(*base.history, step),
            )
            image = await library.register(new_config(image), hold, names, parent=base.id)
    finally:
        library.hands.layers.discard(staged)
    return image


def _names(name: str) -> list[Reference]:
    if not name:
        return []
    reference = parse_reference(name).tagged
    if reference.digest:
        raise Invalid("cannot import digest reference")
    return [reference]


def _committed_config(container: Container, base: Image, given: ImageConfig | None) -> ImageConfig:
    """What the container ran with; fields of `given` that say something win."""
    spec = container.spec
    own = replace(
        base.config,
        user=container.user,
        exposed=tuple(dict.fromkeys((*base.config.exposed, *container.exposed))),
        env=container.env or base.config.env,
        entrypoint=base.config.entrypoint if spec.entrypoint is None else spec.entrypoint,
        cmd=base.config.cmd if spec.cmd is None and spec.entrypoint is None else spec.cmd,
        volumes=tuple(dict.fromkeys((*base.config.volumes, *spec.volumes))),
        working_dir=container.workdir if container.workdir != "/" else base.config.working_dir,
        labels=dict(container.labels),
        stop_signal=spec.stop_signal or base.config.stop_signal,
        health=container.health or base.config.health,
    )
    if given is None:
        return own
    said = {
        name: value
        for name in ImageConfig.__dataclass_fields__
        if (value := getattr(given, name)) not in (None, "", (), {}, False)
    }
    return replace(own, **said)
