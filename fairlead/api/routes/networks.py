"""`/networks`: JSON to values, one engine method, values to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.filters import parse_filters
from fairlead.api.http import Request, Response, Route, empty, json_response
from fairlead.api.schema.discovered import discovered_json
from fairlead.api.schema.endpoint import EndpointSettings
from fairlead.api.schema.network import NetworkConnect, NetworkCreate, NetworkDisconnect, network_json
from fairlead.api.schema.swarm_network import swarm_network_json
from fairlead.model.network import SWARM
from fairlead.model.swarm.network import SwarmNetwork

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def routes(engine: Engine) -> list[Route]:
    handlers = _NetworkHandlers(engine)
    return [
        Route("GET", "/networks", handlers.list),
        Route("GET", "/networks/", handlers.list),
        Route("POST", "/networks/create", handlers.create),
        Route("POST", "/networks/prune", handlers.prune),
        Route("GET", "/networks/{id...}", handlers.inspect),
        Route("DELETE", "/networks/{id...}", handlers.remove),
        Route("POST", "/networks/{id...}/connect", handlers.connect),
        Route("POST", "/networks/{id...}/disconnect", handlers.disconnect),
    ]


class _NetworkHandlers:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._networks, self._scopes = engine.networks, engine.network_scopes

    def list(self, request: Request) -> Response:
        found = self._scopes.list(parse_filters(request.query))
        return json_response(
            [swarm_network_json(one) if isinstance(one, SwarmNetwork) else network_json(one) for one in found]
        )

    async def inspect(self, request: Request) -> Response:
        network = await self._scopes.look(request.params["id"], request.query.get("scope", ""))
        if isinstance(network, SwarmNetwork):
            return json_response(swarm_network_json(network))
        shown = network_json(network, self._networks.attached(network))
        if network.scope == SWARM:
            ways = await self._engine.overlays.ways(network) if request.flag("verbose") else None
            shown |= discovered_json(self._engine.discovery, network.id, ways)
        return json_response(shown)

    async def create(self, request: Request) -> Response:
        network_id, warning = await self._scopes.create(request.json(NetworkCreate).spec())
        return json_response({"Id": network_id, "Warning": warning}, 201)

    async def remove(self, request: Request) -> Response:
        await self._scopes.remove(request.params["id"])
        return empty(204)

    async def connect(self, request: Request) -> Response:
        body = request.json(NetworkConnect)
        wanted = body.EndpointConfig or EndpointSettings()
        await self._networks.connect(request.params["id"], body.Container or "", wanted.spec(), wanted.typed)
        return empty(200)

    async def disconnect(self, request: Request) -> Response:
        body = request.json(NetworkDisconnect)
        await self._networks.disconnect(request.params["id"], body.Container or "", bool(body.Force))
        return empty(200)

    async def prune(self, request: Request) -> Response:
        removed = await self._scopes.prune(parse_filters(request.query))
        return json_response({"NetworksDeleted": removed or None})
