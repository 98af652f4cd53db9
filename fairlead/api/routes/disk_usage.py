"""`/system/df`: the space that images, containers and volumes take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.http import Answer, Request, Route, json_response
from fairlead.api.schema.container_views import summary_json as container_json
from fairlead.api.schema.image import summary_json as image_json
from fairlead.api.schema.volume import usage_json
from fairlead.model.errors import Invalid

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

_TYPES = ("build-cache", "container", "image", "volume")


def routes(engine: Engine) -> list[Route]:
    return [Route("GET", "/system/df", _DiskUsage(engine).show)]


class _DiskUsage:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def show(self, request: Request) -> Answer:
        """Of the kinds of objects asked for (`type`), or of all."""
        wanted = request.values("type") or list(_TYPES)
        for kind in wanted:
            if kind not in _TYPES:
                raise Invalid(f"unknown object type: {kind}: must be one of {', '.join(_TYPES)}")
        images = self._engine.images
        shown = images.list({}, every=True, shared=True) if "image" in wanted else []
        return json_response(
            {
                "LayersSize": images.layers_size() if "image" in wanted else 0,
                "Images": [image_json(view, request.version) for view in shown],
                "Containers": await self._containers() if "container" in wanted else [],
                "Volumes": await self._volumes() if "volume" in wanted else [],
                "BuildCache": [],
            }
        )

    async def _containers(self) -> list[object]:
        listing = self._engine.containers.listing
        return [container_json(await listing.with_sizes(view)) for view in listing.list(True, 0, {})]

    async def _volumes(self) -> list[object]:
        volumes = self._engine.volumes
        return [
            usage_json(volume, len(volumes.users(volume.name)), await volumes.size(volume.name))
            for volume in volumes.list()
        ]
