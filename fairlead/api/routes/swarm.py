"""`/swarm`: this node's membership, and the swarm's own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.http import Request, Response, Route, empty, json_response
from fairlead.api.schema.swarm import SwarmInit, SwarmJoin, SwarmSpec, SwarmUnlock, swarm_json
from fairlead.api.schema.swarm_object import parse_version
from fairlead.engine.swarm.leaving import leave
from fairlead.engine.swarm.standing import must_be_outside
from fairlead.model.errors import Unauthorized
from fairlead.model.swarm.errors import Locked
from fairlead.model.swarm.orders import Rotations

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def routes(engine: Engine) -> list[Route]:
    handlers = _SwarmHandlers(engine)
    return [
        Route("POST", "/swarm/init", handlers.init),
        Route("POST", "/swarm/join", handlers.join),
        Route("POST", "/swarm/leave", handlers.leave),
        Route("GET", "/swarm", handlers.inspect),
        Route("POST", "/swarm/update", handlers.update),
        Route("GET", "/swarm/unlockkey", handlers.unlock_key),
        Route("POST", "/swarm/unlock", handlers.unlock),
    ]


class _SwarmHandlers:
    def __init__(self, engine: Engine) -> None:
        self._swarm = engine.swarm

    async def init(self, request: Request) -> Response:
        body = request.json(SwarmInit)
        if not body.ForceNewCluster:
            must_be_outside(self._swarm.standing)
        return json_response(await self._swarm.entering.init(body.order()))

    async def join(self, request: Request) -> Response:
        body = request.json(SwarmJoin)
        must_be_outside(self._swarm.standing)
        await self._swarm.entering.join(body.order())
        return empty(200)

    async def leave(self, request: Request) -> Response:
        await leave(self._swarm.membership, force=request.flag("force"))
        return empty(200)

    def inspect(self, request: Request) -> Response:
        settings = self._swarm.settings
        return json_response(swarm_json(settings.get(), settings.trust))

    async def update(self, request: Request) -> Response:
        body = request.json(SwarmSpec)
        version = parse_version("swarm", request.query.get("version", ""))
        rotations = Rotations(
            request.flag("rotateWorkerToken"),
            request.flag("rotateManagerToken"),
            request.flag("rotateManagerUnlockKey"),
        )
        await self._swarm.settings.update(body.spec(), version, rotations, body.given_root())
        return empty(200)

    def unlock_key(self, request: Request) -> Response:
        return json_response({"UnlockKey": self._swarm.settings.unlock_key})

    async def unlock(self, request: Request) -> Response:
        body = request.json(SwarmUnlock)
        try:
            await self._swarm.membership.unlock(body.UnlockKey)
        except Locked as refusal:
            raise Unauthorized(refusal.message) from refusal
        return empty(200)
