"""`/containers`: JSON to values, one engine method, values to JSON. Streams are in `container_streams`."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING

from fairlead.api.filters import parse_filters
from fairlead.api.http import Request, Response, Route, empty, json_response
from fairlead.api.schema.container import ContainerCreate, ContainerUpdate
from fairlead.api.schema.container_for_older import (
    NAMES_BESIDE_ALIASES_SINCE,
    PIDS_LIMIT_SINCE,
    Version,
    for_older_clients,
    own_names_as_aliases,
)
from fairlead.api.schema.container_views import inspect_json, summary_json
from fairlead.engine.containers.listing import ContainerView
from fairlead.model.errors import Invalid

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

ANSWERS_KEPT = 128

LONGEST_NO_BODY = 7
STARTED_WITH_A_BODY = (
    "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
)
"""Some clients send `{}` or `null` to start a container; whatever is longer may have something in it."""


def routes(engine: Engine) -> list[Route]:
    handlers = _ContainerHandlers(engine)
    return [
        Route("GET", "/containers/json", handlers.list),
        Route("POST", "/containers/create", handlers.create),
        Route("POST", "/containers/prune", handlers.prune),
        Route("GET", "/containers/{id}/json", handlers.inspect),
        Route("GET", "/containers/{id}/top", handlers.top),
        Route("GET", "/containers/{id}/changes", handlers.changes),
        Route("POST", "/containers/{id}/start", handlers.start),
        Route("POST", "/containers/{id}/stop", handlers.stop),
        Route("POST", "/containers/{id}/restart", handlers.restart),
        Route("POST", "/containers/{id}/kill", handlers.kill),
        Route("POST", "/containers/{id}/pause", handlers.pause),
        Route("POST", "/containers/{id}/unpause", handlers.unpause),
        Route("POST", "/containers/{id}/rename", handlers.rename),
        Route("POST", "/containers/{id}/update", handlers.update),
        Route("POST", "/containers/{id}/resize", handlers.resize),
        Route("DELETE", "/containers/{id...}", handlers.remove),
    ]


def _summaries(views: Iterable[ContainerView]) -> Response:
    return json_response([summary_json(view) for view in views])


class _ContainerHandlers:
    def __init__(self, engine: Engine) -> None:
        self._containers, self._images = engine.containers, engine.images
        self._answers: dict[tuple[str, bool], tuple[ContainerView, Response]] = {}

    def list(self, request: Request) -> Response | Awaitable[Response]:
        limit = number(request, "limit", -1)
        views = self._containers.listing.list(request.flag("all"), max(limit, 0), parse_filters(request.query))
        return self._list_sizes(views) if request.flag("size") else _summaries(views)

    async def _list_sizes(self, views: Sequence[ContainerView]) -> Response:
        return _summaries([await self._containers.listing.with_sizes(view) for view in views])

    def inspect(self, request: Request) -> Response | Awaitable[Response]:
        view = self._containers.listing.inspect(request.params["id"])
        if request.flag("size"):
            return self._inspect_sizes(view, request.version)
        return self._rendered(view, request.version)

    async def _inspect_sizes(self, view: ContainerView, version: Version) -> Response:
        return _inspected(await self._containers.listing.with_sizes(view), version)

    def _rendered(self, view: ContainerView, version: Version) -> Response:
        """Whoever polls a container gets the same bytes until something of it changes."""
        key = view.container.id, version < NAMES_BESIDE_ALIASES_SINCE
        known = self._answers.get(key)
        if known is None or known[0] is not view:
            if len(self._answers) >= ANSWERS_KEPT:
                self._answers.clear()
            known = self._answers[key] = view, _inspected(view, version)
        return known[1]

    async def create(self, request: Request) -> Response:
        if not request.body:
            raise Invalid("invalid JSON: got EOF while reading request body")
        body = request.json(ContainerCreate)
        body.check(request.version)
        spec = for_older_clients(body.spec(), request.version)
        if platform := request.query.get("platform", ""):
            self._images.check_platform(spec.image, platform)
        container_id, warnings = await self._containers.create(request.query.get("name", ""), spec)
        return json_response({"Id": container_id, "Warnings": list(warnings)}, 201)

    async def start(self, request: Request) -> Response:
        if len(request.body) > LONGEST_NO_BODY:
            raise Invalid(STARTED_WITH_A_BODY)
        await self._containers.start(request.params["id"])
        return empty()

    async def stop(self, request: Request) -> Response:
        await self._containers.stop(request.params["id"], timeout(request), request.query.get("signal", ""))
        return empty()

    async def restart(self, request: Request) -> Response:
        await self._containers.restart(request.params["id"], timeout(request), request.query.get("signal", ""))
        return empty()

    async def kill(self, request: Request) -> Response:
        await self._containers.kill(request.params["id"], request.query.get("signal", ""))
        return empty()

    async def pause(self, request: Request) -> Response:
        await self._containers.pause(request.params["id"])
        return empty()

    async def unpause(self, request: Request) -> Response:
        await self._containers.unpause(request.params["id"])
        return empty()

    async def rename(self, request: Request) -> Response:
        await self._containers.rename(request.params["id"], request.query.get("name", ""))
        return empty()

    async def update(self, request: Request) -> Response:
        body = request.json(ContainerUpdate)
        if request.version < PIDS_LIMIT_SINCE:
            body.PidsLimit = None
        policy = body.RestartPolicy.policy() if body.RestartPolicy and body.RestartPolicy.Name else None
        await self._containers.update(request.params["id"], body.change, policy)
        return json_response({"Warnings": None})

    def resize(self, request: Request) -> Response:
        self._containers.streams.resize(request.params["id"], number(request, "h"), number(request, "w"))
        return empty(200)

    async def remove(self, request: Request) -> Response:
        if request.flag("link"):
            await self._containers.unlink(request.params["id"])
            return empty()
        await self._containers.remove(request.params["id"], request.flag("force"), request.flag("v"))
        return empty()

    async def prune(self, request: Request) -> Response:
        removed, freed = await self._containers.prune(parse_filters(request.query))
        return json_response({"ContainersDeleted": list(removed) or None, "SpaceReclaimed": freed})

    async def top(self, request: Request) -> Response:
        titles, lines = await self._containers.observing.top(request.params["id"], request.query.get("ps_args", ""))
        return json_response({"Titles": titles, "Processes": lines})

    async def changes(self, request: Request) -> Response:
        found = await self._containers.files.changes(request.params["id"])
        return json_response([{"Path": item.path, "Kind": item.kind} for item in found] or None)


def _inspected(view: ContainerView, version: Version) -> Response:
    shown = inspect_json(view)
    if version < NAMES_BESIDE_ALIASES_SINCE:
        own_names_as_aliases(shown)
    return json_response(shown)


def timeout(request: Request) -> int | None:
    """`t`, seconds; None when the container's own shall hold."""
    return number(request, "t") if request.query.get("t") else None


def number(request: Request, name: str, default: int | None = None) -> int:
    """An integer parameter. Raises Invalid."""
    text = request.query.get(name, "")
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError:
        raise Invalid(f'invalid value for {name}: strconv.Atoi: parsing "{text}": invalid syntax') from None
