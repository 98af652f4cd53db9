"""`/containers/{id}/archive` and `/containers/{id}/export`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from fairlead.api.http import Answer, Request, Response, Route, StreamResponse, empty
from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.errors import Invalid
from fairlead.model.runtime import PathStat, UnpackOptions

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

TAR = "application/x-tar"
PATH_STAT = "X-Docker-Container-Path-Stat"


def routes(engine: Engine) -> list[Route]:
    handlers = _ArchiveHandlers(engine)
    return [
        Route("HEAD", "/containers/{id}/archive", handlers.stat),
        Route("GET", "/containers/{id}/archive", handlers.get),
        Route("PUT", "/containers/{id}/archive", handlers.put, streams_body=True),
        Route("GET", "/containers/{id}/export", handlers.export),
    ]


class _ArchiveHandlers:
    def __init__(self, engine: Engine) -> None:
        self._files = engine.containers.files

    async def stat(self, request: Request) -> Response:
        found = await self._files.stat(request.params["id"], _path(request))
        return Response(200, b"", "", {PATH_STAT: _encoded(found)})

    async def get(self, request: Request) -> Answer:
        path = _path(request)
        found = await self._files.stat(request.params["id"], path)
        chunks = self._files.pack(request.params["id"], path)
        return StreamResponse(chunks, content_type=TAR, headers={PATH_STAT: _encoded(found)})

    async def put(self, request: Request) -> Response:
        options = UnpackOptions(request.flag("noOverwriteDirNonDir"), request.flag("copyUIDGID"))
        body = request.stream if request.stream is not None else _once(request.body)
        await self._files.unpack(request.params["id"], _path(request), body, options)
        return empty(200)

    def export(self, request: Request) -> Answer:
        return StreamResponse(self._files.export(request.params["id"]), content_type="application/octet-stream")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _path(request: Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise Invalid("bad parameter: path cannot be empty")
    return path if path.startswith("/") else f"/{path}"


def _encoded(found: PathStat) -> str:
    """The header's value: base64 of JSON."""
    shown = {
        "name": found.name,
        "size": found.size,
        "mode": found.mode,
        "mtime": rfc3339(found.mtime),
        "linkTarget": found.link_target,
    }
    return b64encode(msgspec.json.encode(shown)).decode()
