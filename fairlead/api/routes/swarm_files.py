"""`/secrets` and `/configs`: the same verbs on two kinds of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from fairlead.api.filters import parse_filters
from fairlead.api.http import Request, Response, Route, empty, json_response
from fairlead.api.schema.swarm_file import FileBody, config_json, secret_json
from fairlead.api.schema.swarm_object import Json, parse_version
from fairlead.engine.swarm.files import Files
from fairlead.model.swarm.files import Config, Secret

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine
    from fairlead.engine.swarm.swarm import Swarm

T = TypeVar("T", Secret, Config)


def routes(engine: Engine) -> list[Route]:
    secrets = _FileHandlers(engine.swarm, lambda: engine.swarm.secrets, secret_json)
    configs = _FileHandlers(engine.swarm, lambda: engine.swarm.configs, config_json)
    return [*_routes("/secrets", secrets), *_routes("/configs", configs)]


def _routes(path: str, handlers: _FileHandlers[T]) -> list[Route]:
    return [
        Route("GET", path, handlers.list),
        Route("POST", f"{path}/create", handlers.create),
        Route("GET", f"{path}/{{id}}", handlers.inspect),
        Route("DELETE", f"{path}/{{id}}", handlers.remove),
        Route("POST", f"{path}/{{id}}/update", handlers.update),
    ]


class _FileHandlers(Generic[T]):
    def __init__(self, swarm: Swarm, files: Callable[[], Files[T]], shown: Callable[[T], Json]) -> None:
        self._swarm = swarm
        self._files: Callable[[], Files[T]] = files
        self._shown: Callable[[T], Json] = shown

    def list(self, request: Request) -> Response:
        found = self._files().list(parse_filters(request.query))
        return json_response([self._shown(one) for one in found])

    async def inspect(self, request: Request) -> Response:
        found = await self._swarm.last_word(lambda: self._files().get(request.params["id"]))
        return json_response(self._shown(found))

    async def create(self, request: Request) -> Response:
        return json_response({"ID": await self._files().create(request.json(FileBody).spec())}, 201)

    async def update(self, request: Request) -> Response:
        files = self._files()
        version = parse_version(files.kind, request.query.get("version", ""))
        await files.update(request.params["id"], version, request.json(FileBody).spec())
        return empty(200)

    async def remove(self, request: Request) -> Response:
        await self._files().remove(request.params["id"])
        return empty(204)
