"""Streams of containers: attach, logs, wait, stats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from fairlead.api.http import Answer, Channel, Hijack, Request, Route, StreamResponse
from fairlead.api.schema.stats import stats_json
from fairlead.api.schema.timestamp import parse_moment, rfc3339_padded
from fairlead.api.streams import (
    DetachFilter,
    converse,
    copy_input,
    copy_output,
    detach_keys,
    frame,
    stream_type,
)
from fairlead.api.websocket import WebSocket, accept
from fairlead.engine.containers.containers import NOT_RUNNING
from fairlead.model.container import Container
from fairlead.model.errors import Invalid
from fairlead.model.runtime import STDERR, STDOUT, LogEntry, LogQuery

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine


def routes(engine: Engine) -> list[Route]:
    handlers = _StreamHandlers(engine)
    return [
        Route("POST", "/containers/{id}/attach", handlers.attach),
        Route("GET", "/containers/{id}/attach/ws", handlers.attach_websocket),
        Route("GET", "/containers/{id}/logs", handlers.logs),
        Route("POST", "/containers/{id}/wait", handlers.wait),
        Route("GET", "/containers/{id}/stats", handlers.stats),
    ]


class _StreamHandlers:
    def __init__(self, engine: Engine) -> None:
        self._containers = engine.containers
        self._clock = engine.clock

    def attach(self, request: Request) -> Answer:
        run, terminal = self._attachment(request, framed=True)
        return Hijack(run, stream_type(terminal, request.version))

    def attach_websocket(self, request: Request) -> Answer:
        """Nothing tells the streams apart here, as with Docker."""
        self._containers.streams.check(request.params["id"])
        accepted = accept(request.headers)
        run, _ = self._attachment(request, framed=False)

        async def run_in_messages(channel: Channel) -> None:
            socket = WebSocket(channel)
            await run(socket)
            await socket.write_eof()

        return Hijack(run_in_messages, websocket_accept=accepted)

    def _attachment(self, request: Request, framed: bool) -> tuple[Callable[[Channel], Awaitable[None]], bool]:
        """What is to be done with the connection, and whether there is a terminal.

        A place at the console is taken before the answer goes out: what the container says next is not missed.
        """
        keys = detach_keys(request.query.get("detachKeys", ""))
        replay, live = request.flag("logs"), request.flag("stream")
        wanted = [number for name, number in (("stdout", STDOUT), ("stderr", STDERR)) if request.flag(name)]
        typing = request.flag("stdin")
        attached = self._containers.streams.attach(request.params["id"])
        container = attached.container
        terminal = container.spec.tty
        raw = terminal or not framed

        async def run(channel: Channel) -> None:
            try:
                if replay:
                    await self._replay(channel, container, wanted, raw)
                if not live:
                    return
                filtered = DetachFilter(keys) if terminal else None
                detached = await converse(
                    [copy_output(channel, attached.read, raw, wanted)],
                    copy_input(channel, attached.place, filtered) if typing and container.spec.open_stdin else None,
                )
                if detached:
                    self._containers.streams.detached(attached)
            finally:
                attached.close()

        return run, terminal

    async def _replay(self, channel: Channel, container: Container, wanted: list[int], raw: bool) -> None:
        query = LogQuery(STDOUT in wanted, STDERR in wanted)
        _, entries = self._containers.streams.logs(container.id, query)
        async for entry in entries:
            data = entry.data + (b"\n" if entry.complete else b"")
            await channel.write(data if raw else frame(entry.stream, data))

    def logs(self, request: Request) -> Answer:
        query = self._log_query(request)
        if not (query.stdout or query.stderr):
            raise Invalid("Bad parameters: you must choose at least one stream")
        container, entries = self._containers.streams.logs(request.params["id"], query)
        terminal = container.spec.tty
        prefix = _details(container) if request.flag("details") else b""
        chunks = _log_chunks(entries, terminal, request.flag("timestamps"), prefix)
        return StreamResponse(chunks, content_type=stream_type(terminal, request.version))

    def _log_query(self, request: Request) -> LogQuery:
        tail = request.query.get("tail", "all")
        now = self._clock.now()
        return LogQuery(
            stdout=request.flag("stdout"),
            stderr=request.flag("stderr"),
            since=parse_moment(request.query.get("since", ""), now),
            until=parse_moment(request.query.get("until", ""), now),
            tail=int(tail) if tail.isdigit() else None,
            follow=request.flag("follow"),
        )

    def wait(self, request: Request) -> Answer:
        """The headers go out at once: clients start the container only after they have come."""
        condition = request.query.get("condition", "") or NOT_RUNNING
        code, future = self._containers.wait(request.params["id"], condition)

        async def answer() -> AsyncIterator[bytes]:
            try:
                status = code if code is not None else await future
                yield msgspec.json.encode({"StatusCode": status}) + b"\n"
            finally:
                future.cancel()

        return StreamResponse(answer())

    def stats(self, request: Request) -> Answer:
        stream = request.flag("stream", default=True)
        one_shot = request.flag("one-shot")
        if stream and one_shot:
            raise Invalid("cannot have stream=true and one-shot=true")
        self._containers.streams.check(request.params["id"])
        samples = self._containers.observing.stats(request.params["id"], stream, one_shot)

        async def chunks() -> AsyncIterator[bytes]:
            async for container, now, before in samples:
                yield msgspec.json.encode(stats_json(container, now, before)) + b"\n"

        return StreamResponse(chunks())


async def _log_chunks(
    entries: AsyncIterator[LogEntry], terminal: bool, timestamps: bool, prefix: bytes
) -> AsyncIterator[bytes]:
    """Entries as the client prints them. A line's continuation has no time of its own."""
    fresh = {STDOUT: True, STDERR: True}
    async for entry in entries:
        head = b""
        if fresh[entry.stream]:
            head = (rfc3339_padded(entry.time).encode() + b" " if timestamps else b"") + prefix
        fresh[entry.stream] = entry.complete
        data = head + entry.data + (b"\n" if entry.complete else b"")
        yield data if terminal else frame(entry.stream, data)


def _details(container: Container) -> bytes:
    """`--details`: the labels and variables that the log options name."""
    options = container.spec.log_options
    env = dict(line.partition("=")[::2] for line in container.env)
    shown = {name: container.labels[name] for name in options.get("labels", "").split(",") if name in container.labels}
    shown |= {name: env[name] for name in options.get("env", "").split(",") if name in env}
    return ",".join(f"{name}={value}" for name, value in sorted(shown.items())).encode() + b" "
