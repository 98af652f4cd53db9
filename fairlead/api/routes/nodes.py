"""`/nodes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.filters import parse_filters
from fairlead.api.http import Request, Response, Route, empty, json_response
from fairlead.api.schema.node import NodeSpecBody, node_json
from fairlead.api.schema.swarm_object import parse_version

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def routes(engine: Engine) -> list[Route]:
    handlers = _NodeHandlers(engine)
    return [
        Route("GET", "/nodes", handlers.list),
        Route("GET", "/nodes/{id}", handlers.inspect),
        Route("POST", "/nodes/{id}/update", handlers.update),
        Route("DELETE", "/nodes/{id}", handlers.remove),
    ]


class _NodeHandlers:
    def __init__(self, engine: Engine) -> None:
        self._swarm = engine.swarm

    def list(self, request: Request) -> Response:
        found = self._swarm.nodes.list(parse_filters(request.query))
        return json_response([node_json(node, self._swarm.settings.trust_of(node)) for node in found])

    async def inspect(self, request: Request) -> Response:
        node = await self._swarm.last_word(lambda: self._swarm.nodes.get(request.params["id"]))
        return json_response(node_json(node, self._swarm.settings.trust_of(node)))

    async def update(self, request: Request) -> Response:
        body = request.json(NodeSpecBody)
        version = parse_version("node", request.query.get("version", ""))
        self._swarm.mirror  # noqa: B018 - whether this node is a manager is told before what is wrong with the spec
        await self._swarm.nodes.update(request.params["id"], body.spec(), version)
        return empty(200)

    async def remove(self, request: Request) -> Response:
        await self._swarm.nodes.remove(request.params["id"], force=request.flag("force"))
        return empty(200)
