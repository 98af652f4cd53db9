"""`/tasks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.filters import parse_filters
from fairlead.api.http import Answer, Request, Response, Route, json_response
from fairlead.api.routes.swarm_logs import log_stream
from fairlead.api.schema.task import task_json

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def routes(engine: Engine) -> list[Route]:
    handlers = _TaskHandlers(engine)
    return [
        Route("GET", "/tasks", handlers.list),
        Route("GET", "/tasks/{id}", handlers.inspect),
        Route("GET", "/tasks/{id}/logs", handlers.logs),
    ]


class _TaskHandlers:
    def __init__(self, engine: Engine) -> None:
        self._swarm, self._clock = engine.swarm, engine.clock

    async def list(self, request: Request) -> Response:
        filters = parse_filters(request.query)
        found = await self._swarm.last_word(lambda: self._swarm.tasks.list(filters))
        networks = self._swarm.snapshot.networks
        return json_response([task_json(task, networks) for task in found])

    async def inspect(self, request: Request) -> Response:
        task = await self._swarm.last_word(lambda: self._swarm.tasks.get(request.params["id"]))
        return json_response(task_json(task, self._swarm.snapshot.networks))

    def logs(self, request: Request) -> Answer:
        task = self._swarm.tasks.get(request.params["id"])
        return log_stream(self._swarm, request, self._clock.now(), tasks=(task,))
