"""`/volumes`."""

from __future__ import annotations

from fairlead.api.filters import parse_filters, reject_unknown
from fairlead.api.http import Answer, Request, Route, empty, json_response
from fairlead.api.schema.volume import VolumeCreate, volume_json
from fairlead.engine.engine import Engine
from fairlead.engine.volumes import LIST_FILTERS, PRUNE_FILTERS
from fairlead.model.errors import Invalid

_PRUNES_ALL_UNTIL = (1, 42)


def routes(engine: Engine) -> list[Route]:
    api = VolumeRoutes(engine)
    return [
        Route("GET", "/volumes", api.list),
        Route("POST", "/volumes/create", api.create),
        Route("POST", "/volumes/prune", api.prune),
        Route("GET", "/volumes/{name}", api.inspect),
        Route("DELETE", "/volumes/{name}", api.remove),
    ]


class VolumeRoutes:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, request: Request) -> Answer:
        filters = parse_filters(request.query)
        reject_unknown(filters, LIST_FILTERS)
        volumes = [volume_json(volume) for volume in self._engine.volumes.list(filters)]
        return json_response({"Volumes": volumes, "Warnings": None})

    def inspect(self, request: Request) -> Answer:
        return json_response(volume_json(self._engine.volumes.get(request.params["name"])))

    async def create(self, request: Request) -> Answer:
        body = request.json(VolumeCreate)
        body.refuse_unsupported()
        volume = await self._engine.volumes.ensure(
            body.name or "", body.driver or "", body.driver_opts or {}, body.labels or {}
        )
        return json_response(volume_json(volume), 201)

    async def remove(self, request: Request) -> Answer:
        await self._engine.volumes.remove(request.params["name"], request.flag("force"))
        return empty()

    async def prune(self, request: Request) -> Answer:
        filters = parse_filters(request.query)
        reject_unknown(filters, PRUNE_FILTERS)
        if request.version < _PRUNES_ALL_UNTIL:
            if "all" in filters:
                raise Invalid("invalid filter 'all': it needs API version 1.42")
            filters["all"] = ["true"]
        removed, reclaimed = await self._engine.volumes.prune(filters)
        return json_response({"VolumesDeleted": removed, "SpaceReclaimed": reclaimed})
