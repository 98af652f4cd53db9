"""The node itself: `/_ping`, `/version`, `/info`, `/events`, `/auth`, and the parts of Docker that Fairlead has not."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from fairlead.api.filters import parse_filters, reject_unknown
from fairlead.api.http import Handler, Request, Response, Route, StreamResponse, empty, json_response
from fairlead.api.schema.swarm_info import swarm_header, swarm_info_json
from fairlead.api.schema.system import Credentials, event_json, info_json, version_json
from fairlead.engine.event_filters import EVENT_FILTERS
from fairlead.model.errors import Invalid, NotFound, Unsupported
from fairlead.model.event import Event

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

# Builder-Version 1 makes docker's CLI send `docker build` to the daemon, whose refusal is clear;
# with 2 it would ask the user to install buildx first.
PONG_HEADERS = {
    "Builder-Version": "1",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
}

_TIMESTAMP = re.compile(r"(-?\d{1,18})(?:\.(\d{1,9})\d*)?")


def routes(engine: Engine) -> list[Route]:
    handlers = _SystemHandlers(engine)
    return [
        Route("GET", "/_ping", handlers.ping),
        Route("HEAD", "/_ping", handlers.ping_head),
        Route("OPTIONS", "/", handlers.options),
        Route("OPTIONS", "/{any...}", handlers.options),
        Route("GET", "/version", handlers.version),
        Route("GET", "/info", handlers.info),
        Route("GET", "/events", handlers.events),
        Route("POST", "/auth", handlers.login),
        Route("POST", "/build/prune", handlers.prune_build_cache),
        Route("POST", "/build", unsupported(_BUILDING), streams_body=True),
        Route("POST", "/session", unsupported(_BUILDING)),
        Route("GET", "/plugins", handlers.plugins),
        Route("GET", "/plugins/privileges", unsupported("installing plugins")),
        Route("POST", "/plugins/pull", unsupported("installing plugins")),
        Route("POST", "/plugins/create", unsupported("installing plugins")),
        Route("GET", "/plugins/{name...}/json", handlers.plugin),
        Route("DELETE", "/plugins/{name...}", handlers.plugin),
        *(Route("POST", f"/plugins/{{name...}}/{verb}", handlers.plugin) for verb in _PLUGIN_VERBS),
    ]


_BUILDING = (
    "building images: build elsewhere (buildah, docker buildx) and bring the result with `docker load` or "
    "`docker pull`, or use `docker import` and `docker commit`"
)
_PLUGIN_VERBS = ("enable", "disable", "upgrade", "push", "set")


class _SystemHandlers:
    def __init__(self, engine: Engine) -> None:
        self._system, self._images, self._swarm = engine.system, engine.images, engine.swarm

    def ping(self, request: Request) -> Response:
        return _pong(b"OK", swarm_header(self._swarm))

    def ping_head(self, request: Request) -> Response:
        return _pong(b"", swarm_header(self._swarm))

    def options(self, request: Request) -> Response:
        """Any path: nothing is allowed that was not."""
        return empty(200)

    def version(self, request: Request) -> Response:
        return json_response(version_json(self._system.host))

    def info(self, request: Request) -> Response:
        return json_response(info_json(self._system, swarm_info_json(self._swarm)))

    async def login(self, request: Request) -> Response:
        credentials = request.json(Credentials)
        await self._images.login(credentials.serveraddress, credentials.auth())
        return json_response({"IdentityToken": "", "Status": "Login Succeeded"})

    def events(self, request: Request) -> StreamResponse:
        filters = parse_filters(request.query)
        reject_unknown(filters, EVENT_FILTERS)
        since, until = _moment(request, "since"), _moment(request, "until")
        if since is not None and until is not None and since > until:
            raise Invalid("`since` time cannot be after `until` time")
        return StreamResponse(_lines(self._system.events(since, until, filters)))

    def prune_build_cache(self, request: Request) -> Response:
        return json_response({"CachesDeleted": None, "SpaceReclaimed": 0})

    def plugins(self, request: Request) -> Response:
        return json_response([])

    def plugin(self, request: Request) -> Response:
        raise NotFound(f'plugin "{request.params["name"]}" not found')


@lru_cache(maxsize=8)
def _pong(body: bytes, swarm: str) -> Response:
    return Response(200, body, "text/plain; charset=utf-8", {**PONG_HEADERS, "Swarm": swarm})


def unsupported(what: str) -> Handler:
    """A handler that says so."""

    def handler(request: Request) -> Response:
        raise Unsupported(f"Fairlead does not offer {what}")

    return handler


def _moment(request: Request, name: str) -> int | None:
    """Seconds since the epoch, with a fraction if one is given, in ns. Raises `Invalid`."""
    text = request.query.get(name, "")
    if not text:
        return None
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        raise Invalid(f"invalid value for `{name}`: {text!r} is not a unix timestamp")
    return int(found[1]) * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


async def _lines(events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    async with aclosing(events):
        async for event in events:
            yield msgspec.json.encode(event_json(event)) + b"\n"
