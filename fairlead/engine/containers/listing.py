"""`docker ps` and `docker inspect`: containers as values for the API to render. Reads only: nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from fairlead.core.containers import filters as rules
from fairlead.core.containers.status import command_line, status_text
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.execs import Execs
from fairlead.engine.sandboxes.views import NetworkSettingsView
from fairlead.model.container import Container, Mount
from fairlead.model.errors import Invalid, NotFound

Filters = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class MountView:
    """A mount with the host path that stands behind it."""

    mount: Mount
    source: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes written by the container, and of everything it sees."""

    written: int
    total: int


@dataclass(frozen=True, slots=True)
class ContainerView:
    """Everything that inspect and ps show of a container.

    `image` is what to call its image now, `root` where its root lies; `status` and `command` are what `docker ps`
    prints, `link_names` ("parent/alias") what it also is called.
    """

    container: Container
    network: NetworkSettingsView
    mounts: tuple[MountView, ...]
    image: str
    folder: str
    log_path: str
    status: str
    command: str
    exec_ids: tuple[str, ...] = ()
    root: Mapping[str, str] = field(default_factory=dict)
    link_names: Sequence[str] = ()
    sizes: Sizes | None = None


class _Shown(NamedTuple):
    """Everything that a view depends on. Comparing two is quick: what did not change is the same object."""

    container: Container
    network: NetworkSettingsView
    sources: tuple[str, ...]
    image: str
    exec_ids: tuple[str, ...]


class Listing:
    def __init__(self, context: Context, execs: Execs) -> None:
        self._context = context
        self._execs = execs
        self._views: dict[str, tuple[_Shown, ContainerView]] = {}

    def inspect(self, reference: str) -> ContainerView:
        """The same view object as long as nothing of it has changed. Its status is only that of the first time."""
        return self._view(self._context.state.container(reference))

    async def with_sizes(self, view: ContainerView) -> ContainerView:
        """The same with sizes; walks the container's files, so only when asked for."""
        context = self._context
        written = await context.files.size(context.rootfs.upper(view.container.id))
        image = context.images.find(view.container.image_id)
        return replace(view, sizes=Sizes(written, written + (context.images.size(image) if image else 0)))

    def list(self, every: bool, limit: int, filters: Filters) -> list[ContainerView]:
        """Newest first; without `every`, `limit` or a status filter only those that run."""
        rules.check(filters)
        wanted = rules.matcher(filters, rules.Lookups(self._created_of, self._image_id))
        every = every or limit > 0 or bool(filters.get("status") or filters.get("exited"))
        every = every or bool(filters.get("before") or filters.get("since"))
        newest_first = sorted(self._context.state.containers.values(), key=lambda item: item.created, reverse=True)
        found: list[ContainerView] = []
        links = self._context.sandboxes.linked_names()
        for container in newest_first:
            if (every or container.state.running) and wanted(self._seen(container, filters)):
                status = status_text(container.state, self._context.clock.now())
                names = links.get(container.id, ())
                found.append(replace(self._view(container), status=status, link_names=names))
                if len(found) == limit:
                    break
        return found

    def _view(self, container: Container) -> ContainerView:
        shown = _Shown(
            container,
            self._context.sandboxes.settings(container),
            tuple([self._source(mount) for mount in container.mounts]),
            self._image_name(container),
            tuple(self._execs.of(container.id)),
        )
        known = self._views.get(container.id)
        if known is None or known[0] != shown:
            if len(self._views) > 2 * len(self._context.state.containers):
                self._views.clear()
            known = self._views[container.id] = shown, self._describe(shown)
        return known[1]

    def _describe(self, shown: _Shown) -> ContainerView:
        context, container = self._context, shown.container
        return ContainerView(
            container,
            shown.network,
            tuple(map(MountView, container.mounts, shown.sources)),
            shown.image,
            str(context.folder(container.id)),
            str(context.logs.path(container.id)),
            status_text(container.state, context.clock.now()),
            command_line(container),
            shown.exec_ids,
            self._root(container),
        )

    def _root(self, container: Container) -> dict[str, str]:
        roots = self._context.rootfs
        return {"MergedDir": str(roots.merged(container.id)), "UpperDir": str(roots.upper(container.id))}

    def _source(self, mount: Mount) -> str:
        if mount.kind != "volume":
            return mount.source
        volume = self._context.volumes.find(mount.source)
        return volume.mountpoint if volume else ""

    def _image_name(self, container: Container) -> str:
        """The name it was made with, as long as that still means the same image; else the image's id."""
        image = self._context.images.find(container.spec.image)
        return container.spec.image if image is not None and image.id == container.image_id else container.image_id

    def _seen(self, container: Container, filters: Filters) -> rules.Seen:
        """Only what the given filters look at is computed."""
        networks: set[str] = set()
        published: set[str] = set()
        if "network" in filters or "publish" in filters:
            settings = self._context.sandboxes.settings(container)
            networks = {name for view in settings.networks for name in (view.name, view.network_id)}
            shown = (port for ports in settings.ports.values() for port in ports or ())
            published = {f"{port.host_port}/{port.protocol}" for port in shown}
        ancestors = self._lineage(container.image_id) if "ancestor" in filters else ()
        return rules.Seen(container, networks, published, container.exposed, ancestors)

    def _lineage(self, image_id: str) -> Sequence[str]:
        """An image and those that it was made from."""
        result: list[str] = []
        while image_id and image_id not in result:
            result.append(image_id)
            image = self._context.images.find(image_id)
            image_id = image.parent if image else ""
        return result

    def _image_id(self, reference: str) -> str:
        image = self._context.images.find(reference)
        return image.id if image else ""

    def _created_of(self, reference: str) -> int:
        try:
            return self._context.state.container(reference).created
        except NotFound as missing:
            raise Invalid(missing.message) from missing
