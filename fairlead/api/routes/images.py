"""`/images`, `/commit`, `/distribution`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fairlead.api.filters import parse_filters, reject_unknown
from fairlead.api.http import Answer, Request, Response, Route, StreamResponse, json_response
from fairlead.api.schema.image import (
    CommitBody,
    history_json,
    inspect_json,
    progress_line,
    refusal_line,
    removed_json,
    summary_json,
)
from fairlead.engine.engine import Engine
from fairlead.engine.images.bringing import CommitWishes, ImportWishes
from fairlead.engine.images.credentials import registry_auth
from fairlead.engine.images.images import LIST_FILTERS, PRUNE_FILTERS
from fairlead.model.errors import Invalid, Refusal, Unsupported
from fairlead.model.image import Progress, RegistryAuth
from fairlead.model.reference import is_digest


def routes(engine: Engine) -> list[Route]:
    api = ImageRoutes(engine)
    return [
        Route("GET", "/images/json", api.list),
        Route("POST", "/images/create", api.create, streams_body=True),
        Route("POST", "/images/load", api.load, streams_body=True),
        Route("POST", "/images/prune", api.prune),
        Route("GET", "/images/get", api.save_several),
        Route("GET", "/images/search", _no_search),
        Route("GET", "/images/{name...}/json", api.inspect),
        Route("GET", "/images/{name...}/history", api.history),
        Route("GET", "/images/{name...}/get", api.save_one),
        Route("POST", "/images/{name...}/push", api.push),
        Route("POST", "/images/{name...}/tag", api.tag),
        Route("DELETE", "/images/{name...}", api.remove),
        Route("POST", "/commit", api.commit),
        Route("GET", "/distribution/{name...}/json", api.distribution),
    ]


class ImageRoutes:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, request: Request) -> Answer:
        filters = parse_filters(request.query)
        reject_unknown(filters, LIST_FILTERS)
        if pattern := request.query.get("filter"):
            filters.setdefault("reference", []).append(pattern)
        views = self._engine.images.list(filters, request.flag("all"), request.flag("shared-size"))
        return json_response([summary_json(view, request.version) for view in views])

    def inspect(self, request: Request) -> Answer:
        return json_response(inspect_json(self._engine.images.details(request.params["name"]), request.version))

    def history(self, request: Request) -> Answer:
        return json_response([history_json(step) for step in self._engine.images.history(request.params["name"])])

    async def create(self, request: Request) -> Answer:
        """`docker pull` (fromImage) or `docker import` (fromSrc)."""
        if name := request.query.get("fromImage"):
            return await _streamed(self._pull(name, request))
        source = request.query.get("fromSrc", "")
        if not source:
            raise Invalid("neither fromImage (to pull) nor fromSrc (to import) is given")
        if source != "-":
            raise Unsupported(
                f"cannot import from {source!r}: only from the request's body (fromSrc=-), "
                "as `curl -L URL | docker import - NAME` sends it"
            )
        repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
        wishes = ImportWishes(
            name=_tagged(repository, tag),
            changes=request.values("changes"),
            message=request.query.get("message", ""),
            platform=request.query.get("platform", ""),
        )
        image = await self._engine.images.import_image(_body(request), source, wishes)
        return Response(200, progress_line(Progress(image.id)))

    async def load(self, request: Request) -> Answer:
        """A refusal is a line of the answer, where clients look for it. Nothing is answered before there is a line:
        some hang up as soon as they have seen the headers."""
        steps = self._engine.images.load(_body(request), request.query.get("platform", ""))
        try:
            return await _streamed(_without_layers(steps) if request.flag("quiet") else steps)
        except Refusal as refusal:
            return Response(200, refusal_line(refusal))

    def save_one(self, request: Request) -> Answer:
        return StreamResponse(self._engine.images.save([request.params["name"]]), content_type="application/x-tar")

    def save_several(self, request: Request) -> Answer:
        names = request.values("names")
        if not names:
            raise Invalid('no image to save: give "names" at least once')
        return StreamResponse(self._engine.images.save(names), content_type="application/x-tar")

    async def push(self, request: Request) -> Answer:
        tag = request.query.get("tag", "")
        name = _tagged(request.params["name"], tag)
        return await _streamed(self._engine.images.push(name, _auth(request)))

    async def tag(self, request: Request) -> Answer:
        repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
        await self._engine.images.tag(request.params["name"], repository, tag)
        return Response(201, b"", "")

    async def remove(self, request: Request) -> Answer:
        removed = await self._engine.images.remove(
            request.params["name"], request.flag("force"), not request.flag("noprune")
        )
        return json_response(removed_json(removed))

    async def prune(self, request: Request) -> Answer:
        filters = parse_filters(request.query)
        reject_unknown(filters, PRUNE_FILTERS)
        removed, reclaimed = await self._engine.images.prune(filters)
        return json_response({"ImagesDeleted": removed_json(removed) or None, "SpaceReclaimed": reclaimed})

    async def commit(self, request: Request) -> Answer:
        body = request.json(CommitBody) if request.body not in (b"", b"null", b"null\n") else None
        repository, tag = request.query.get("repo", ""), request.query.get("tag", "")
        wishes = CommitWishes(
            name=_tagged(repository, tag),
            changes=request.values("changes"),
            message=request.query.get("comment", ""),
            author=request.query.get("author", ""),
            config=body.config() if body else None,
        )
        pause = request.flag("pause", default=True)
        image = await self._engine.containers.commit(request.query.get("container", ""), wishes, pause)
        return json_response({"Id": image.id}, 201)

    async def distribution(self, request: Request) -> Answer:
        descriptor, platforms = await self._engine.images.distribution(request.params["name"], _auth(request))
        return json_response(
            {
                "Descriptor": {
                    "mediaType": descriptor.media_type,
                    "digest": descriptor.digest,
                    "size": descriptor.size,
                },
                "Platforms": [
                    {
                        "architecture": platform.architecture,
                        "os": platform.os,
                        **({"variant": platform.variant} if platform.variant else {}),
                    }
                    for platform in platforms
                ],
            }
        )

    async def _pull(self, name: str, request: Request) -> AsyncIterator[Progress]:
        """One tag or digest, or with neither all tags of the repository."""
        auth, platform = _auth(request), request.query.get("platform", "")
        tag = request.query.get("tag", "")
        named = f"{name}@{tag}" if is_digest(tag) else _tagged(name, tag)
        images = self._engine.images
        names = [named] if images.names_one(named) else await images.all_tags(named, auth)
        for one in names:
            async for progress in images.pull(one, auth, platform):
                yield progress


def _tagged(name: str, tag: str) -> str:
    """A tag of its own takes the place of one that the name has."""
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}:{tag}" if name and tag else name


def _no_search(request: Request) -> Answer:
    raise Unsupported("Fairlead does not search registries: use the registry's own web page or `skopeo list-tags`")


def _auth(request: Request) -> RegistryAuth | None:
    return registry_auth(request.headers.get("x-registry-auth", ""))


async def _body(request: Request) -> AsyncIterator[bytes]:
    if request.stream is not None:
        async for chunk in request.stream:
            yield chunk
    elif request.body:
        yield request.body


async def _streamed(steps: AsyncIterator[Progress]) -> Answer:
    """What is refused before the first line has its own status; later refusals are a line."""
    first = await anext(steps, None)
    return StreamResponse(_lines(first, steps))


async def _lines(first: Progress | None, steps: AsyncIterator[Progress]) -> AsyncIterator[bytes]:
    if first is not None:
        yield progress_line(first)
    try:
        async for progress in steps:
            yield progress_line(progress)
    except Refusal as refusal:
        yield refusal_line(refusal)


async def _without_layers(steps: AsyncIterator[Progress]) -> AsyncIterator[Progress]:
    async for progress in steps:
        if progress.stream:
            yield progress
