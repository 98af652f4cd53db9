"""`/containers/{id}/exec` and `/exec`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fairlead.api.http import Answer, Channel, Hijack, Request, Response, Route, empty, json_response
from fairlead.api.routes.containers import number
from fairlead.api.schema.container import ExecCreate, ExecStart
from fairlead.api.streams import (
    DetachFilter,
    Output,
    converse,
    copy_input,
    copy_output,
    detach_keys,
    frame,
    stream_type,
)
from fairlead.engine.containers.execs import Exec, StartFailed
from fairlead.engine.containers.ports import Process
from fairlead.model.errors import Invalid
from fairlead.model.runtime import STDERR, STDOUT

if TYPE_CHECKING:
    from fairlead.engine.engine import Engine

LINGER = 2.0
"""Seconds for which output is waited for after the process has ended: a child of it may hold the pipes for ever."""


def routes(engine: Engine) -> list[Route]:
    handlers = _ExecHandlers(engine)
    return [
        Route("POST", "/containers/{id}/exec", handlers.create),
        Route("POST", "/exec/{id}/start", handlers.start),
        Route("POST", "/exec/{id}/resize", handlers.resize),
        Route("GET", "/exec/{id}/json", handlers.inspect),
    ]


class _ExecHandlers:
    def __init__(self, engine: Engine) -> None:
        self._execs = engine.containers.execs

    def create(self, request: Request) -> Response:
        spec = request.json(ExecCreate).spec()
        detach_keys(spec.detach_keys)
        return json_response({"Id": self._execs.create(request.params["id"], spec)}, 201)

    async def start(self, request: Request) -> Answer:
        body = request.json(ExecStart)
        size = body.ConsoleSize or [0, 0]
        made = self._execs.check_start(request.params["id"])
        if body.Detach:
            try:
                process = await self._execs.start(made, detach=True)
            except StartFailed as failure:
                raise Invalid(failure.message) from failure
            self._execs.let_run(process)
            return empty(200)
        unframed = bool(body.Tty)

        async def run(channel: Channel) -> None:
            await self._converse(channel, made, (size[0], size[1]), unframed)

        return Hijack(run, stream_type(unframed, request.version))

    async def _converse(self, channel: Channel, made: Exec, size: tuple[int, int], unframed: bool) -> None:
        """`unframed` is what the client said when it started the exec: it reads by that, whatever the exec was made
        with."""
        try:
            process = await self._execs.start(made, detach=False, size=size)
        except StartFailed as failure:
            text = failure.message.encode() + b"\r\n"
            await channel.write(text if unframed else frame(STDOUT, text))
            return
        keys = DetachFilter(detach_keys(made.spec.detach_keys)) if made.spec.tty else None
        typing = copy_input(channel, process, keys) if made.spec.attach_stdin else None
        try:
            await converse([_copy_outputs(channel, process, unframed)], typing)
        finally:
            self._execs.let_run(process)

    async def resize(self, request: Request) -> Response:
        await self._execs.resize(request.params["id"], number(request, "h"), number(request, "w"))
        return empty(200)

    def inspect(self, request: Request) -> Response:
        made = self._execs.get(request.params["id"])
        spec = made.spec
        process: dict[str, object] = {
            "tty": spec.tty,
            "entrypoint": spec.cmd[0],
            "arguments": list(spec.cmd[1:]),
            "privileged": spec.privileged,
        }
        if spec.user:
            process["user"] = spec.user
        return json_response(
            {
                "ID": made.id,
                "Running": made.running,
                "ExitCode": made.exit_code,
                "ProcessConfig": process,
                "OpenStdin": spec.attach_stdin,
                "OpenStderr": spec.attach_stderr,
                "OpenStdout": spec.attach_stdout,
                "CanRemove": False,
                "ContainerID": made.container_id,
                "DetachKeys": spec.detach_keys,
                "Pid": made.pid,
            }
        )


async def _copy_outputs(channel: Channel, process: Process, unframed: bool) -> None:
    """Every stream to its end, and the process to its own; then a child of it may go on writing unheard."""
    copies = asyncio.gather(
        *(copy_output(channel, _reader(process, stream), unframed, (STDOUT, STDERR)) for stream in process.streams)
    )
    try:
        await process.wait()
        await asyncio.wait_for(copies, LINGER)
    except TimeoutError:
        return
    finally:
        copies.cancel()
        await asyncio.gather(copies, return_exceptions=True)


def _reader(process: Process, stream: int) -> Output:
    async def read() -> tuple[int, bytes] | None:
        data = await process.read(stream)
        return (stream, data) if data else None

    return read
